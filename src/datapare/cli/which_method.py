"""Which method when: situations with the flags that suit them, for `datapare methods` and the documentation."""

from typing import NamedTuple

from datapare.artifacts import Kind


class Case(NamedTuple):
    """A situation, the flags that suit it, and the reason; `kind` is None where it holds for all kinds of data."""

    when: str
    flags: str
    why: str
    kind: Kind | None = None


CASES = (
    Case("nothing special", "--score dual --rule mixed", "the default; half by DUAL and Beta sampling, half at random"),
    Case("results as DUAL's authors published them", "--rule beta", "Beta sampling alone"),
    Case("few epochs, no windows of 10", "--score el2n", "counts each epoch alone; average runs with --average-with"),
    Case("wrong labels are likely", "--rule ccs", "the hardest are often mislabelled: top keeps them, ccs cuts them"),
    Case("70 % or more is kept", "--rule top", "rules differ little there, and top is the simplest"),
    Case("10 % or less is kept", "--rule d2", "covers the embedding, as k_center does; compare with random"),
    Case("near-duplicates", "--rule semdedup", "keeps one of each group of neighbours in the embedding"),
    Case("only a final network and an embedding", "--score rmd", "reads no epochs; so does ssp"),
    Case("scoring costs too much", "--score-fraction 0.2", "scores a fifth, predicts the others by knn"),
    Case("images, and a training that is to be robust", "--score puma", "reads boundary_distance", "image"),
    Case("images, pretrained network", "--model transformers:NAME", "fine-tunes it for a few epochs", "image"),
    Case("texts, pretrained network", "--model transformers:NAME", "without, a small network is trained", "text"),
    Case("tables that trees suit", "examples/with_lightgbm.py", "records boosting rounds as epochs", "table"),
    Case("embeddings of your own", "embed RUN --array FILE", "for rules that cover, such as k_center", "embedding"),
)


def cases_for(kind: Kind | None = None) -> list[Case]:
    """Return the rows for a kind of data, all rows for None.

    >>> [case.flags for case in cases_for("text")][-1]
    '--model transformers:NAME'
    """
    return [case for case in CASES if kind is None or case.kind in {None, kind}]
