"""Usual names of columns: of labels, texts, images, embeddings, ids and row numbers, in lower case."""

LABELS = ("label", "labels", "class", "target", "y", "fine_label", "category", "sentiment", "intent")
TEXTS = ("text", "sentence", "content", "review", "utterance", "document", "question", "query", "message", "body")
PAIRS = (
    *("sentence1", "sentence2", "sentence_1", "sentence_2", "sentence_a", "sentence_b", "premise", "hypothesis"),
    *("question1", "question2", "text1", "text2", "text_1", "text_2", "text_a", "text_b", "text_pair"),
)
BESIDE_TEXTS = (
    "title",
    "headline",
    "subject",
    "answer",
    "context",
    "passage",
    "description",
)  # texts beside one of TEXTS
IMAGES = ("image", "img", "jpg", "png", "jpeg", "picture", "photo")
EMBEDDINGS = ("embedding", "embeddings", "features", "feature", "vector", "x")
IDS = (
    "id",
    "__key__",
    "key",
    "uid",
    "uuid",
    "guid",
    "file_name",
    "filename",
    "file",
    "path",
    "image_id",
    "__index_level_0__",
)
ROW_NUMBERS = ("", "index", "idx", "row", "row_id", "row_number", "rownum", "row_nr", "level_0", "unnamed", "#", "no")
TOKENS = ("input_ids", "attention_mask", "token_type_ids", "position_ids", "token_ids", "special_tokens_mask")
# columns whose texts are names or addresses of images, or images themselves in letters
FILES_OF_IMAGES = frozenset(
    {*IMAGES, "images", "image_path", "img_path", "image_file", "image_name", "image_url", "img_url", "image_base64"}
)
ID_WORDS = frozenset({"id", "ids", "uid", "uuid", "guid", "key", "serial", "sno", "no", "nr", "num", "number"})
