"""The glossary of the report: the terms of this field that it uses, each in a sentence."""

from collections.abc import Iterable

ALWAYS = ("keep", "subset", "seed", "digest")

GLOSSARY = {
    "keep": "the fraction of the examples that stays, between 0 and 1.",
    "subset": "the examples that stay; all others are dropped, none is changed.",
    "arm": "one way to choose the training examples in a comparison: a method, random, or all of them (full).",
    "random": "as many examples drawn at random, anew for every seed: the baseline that a method has to beat.",
    "strategy": "what a training draws in each epoch (a fixed subset, a pool drawn from anew, what a rule chooses, or "
    "everything for fewer epochs), with which targets (labels, or labels mixed with soft labels), and for how long.",
    "seed": "the number that fixes all random choices of a run; arms are compared seed by seed.",
    "95 % interval": "a range computed so that it holds the true mean in 95 of 100 repetitions of the whole "
    "experiment. It does not cover another dataset, model or training configuration.",
    "epoch": "one pass over the data; costs are counted in full-dataset epochs, so that a pass over 30 % of the "
    "examples counts 0.3.",
    "score": "one number per example: how much a method prefers to keep it; larger = keep first.",
    "probability": "what the model gave the example's own label, between 0 and 1, in one epoch.",
    "mean probability": "the average of the label's probability over the recorded epochs: high = easy, low = hard "
    "or mislabelled.",
    "standard deviation": "of the label's probability over the epochs (ddof 1): high = the prediction changed during "
    "training.",
    "margin": "the logit of the label minus the largest other logit; above 0 exactly when the prediction is right. "
    "Its mean over epochs is the area under the margin (AUM).",
    "data map": "mean against standard deviation of the label's probability, one point per example (dataset "
    "cartography); during training an example moves from the bottom left over the right to the top left.",
    "embedding": "the features of an example before the last layer of the trained network, or of another backbone.",
    "Beta weighting": "a selection that multiplies the score by a Beta density over the mean probability: the more "
    "is dropped, the easier are the examples that stay.",
    "equal epochs": "every arm makes as many passes over its own examples, so that a smaller subset trains for less.",
    "equal iterations": "every arm makes as many updates as a training on everything, so that a smaller subset is seen "
    "more often.",
    "break-even": "the number of trainings after which scoring and selection, which are needed once, cost less than "
    "the trainings on the subset save.",
    "rank correlation": "Spearman's: 1 = two scores order the examples alike, 0 = unrelated, −1 = reversed.",
    "coverage": "the fraction of the examples that the record observed in an epoch.",
    "digest": "a fingerprint of the dataset: other examples, or another order, have another digest.",
}


def glossary(terms: Iterable[str]) -> list[tuple[str, str]]:
    """Return the terms, and those of every page, with their meanings, alphabetically."""
    return [(term, GLOSSARY[term]) for term in sorted({*ALWAYS, *terms}, key=str.casefold)]
