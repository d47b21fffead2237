"""The density that the report draws over the mean probability of the label."""

import numpy as np
import scipy.stats

from datapare.reporting.beta_density import weighting


def test_the_curve_is_scipys_density():
    rng = np.random.default_rng(0)
    mean, score = rng.random(50), rng.random(50)
    mask = np.arange(50) < 15
    found = weighting(mean, score, mask, {"c_d": 4.0}, [np.arange(50)])
    assert found is not None
    x, height = found.curve
    np.testing.assert_allclose(height, scipy.stats.beta.pdf(x, found.alpha, found.beta), rtol=1e-9)
