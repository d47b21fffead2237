"""Rows of features and of predictions against plain formulas."""

import numpy as np

from datapare.numerics.embeddings import prediction_error, squared_norms, unit_rows


def test_inner_products_of_gradients_follow_from_errors_and_embeddings():
    rng = np.random.default_rng(0)
    prob, h, label = rng.dirichlet(np.ones(4), size=6), rng.normal(size=(6, 3)), rng.integers(0, 4, 6)
    error = prediction_error(prob, label)
    gradient = np.einsum("nk,nd->nkd", error, np.column_stack([h, np.ones(6)])).reshape(6, -1)
    np.testing.assert_allclose(gradient @ gradient.T, (error @ error.T) * (h @ h.T + 1), rtol=1e-12)


def test_prediction_error_leaves_its_input_and_keeps_single_precision():
    prob = np.array([[0.25, 0.75]], dtype=np.float16)
    assert prediction_error(prob, np.array([1])).tolist() == [[0.25, -0.25]]
    assert prob.tolist() == [[0.25, 0.75]]
    assert prediction_error(prob.astype(np.float32), np.array([0])).dtype == np.float32


def test_squared_norms_and_unit_rows_widen_half_precision():
    assert squared_norms(np.array([[3.0, 4.0]])).tolist() == [25.0]
    unit = unit_rows(np.full((1, 4), 300.0, dtype=np.float16))
    assert unit.dtype == np.float32
    assert unit.tolist() == [[0.5, 0.5, 0.5, 0.5]]
