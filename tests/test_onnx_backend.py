"""The backend tests of the onnx package: others' cases of the operators that this library has."""

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed: its backend tests are not run")

import onnx_adapter

CASES = onnx_adapter.load_cases()


@pytest.mark.parametrize(
    "case", [case for case in CASES if not onnx_adapter.left_out(case.name)], ids=lambda case: case.name
)
def test_case(case):
    for inputs, expected in case.data_sets():
        with np.errstate(all="ignore"):  # what the glue computes may overflow, ours never warns
            results = onnx_adapter.run(case.model, inputs)
        assert len(results) == len(expected)
        for ours, theirs in zip(results, expected, strict=True):
            assert ours.shape == theirs.shape
            assert ours.dtype == theirs.dtype
            np.testing.assert_allclose(ours, theirs, rtol=case.rtol, atol=case.atol)


def test_every_operator_has_cases():
    run = [case.operators for case in CASES if not onnx_adapter.left_out(case.name)]
    assert onnx_adapter.OPERATORS.keys() <= set().union(*run)


def test_every_case_is_run_or_listed_with_its_reason():
    known = onnx_adapter.OPERATORS.keys() | onnx_adapter.GLUE.keys()
    unknown = {case.name: case.operators - known for case in CASES if not onnx_adapter.left_out(case.name)}
    assert {name: operators for name, operators in unknown.items() if operators} == {}


def test_what_is_left_out_exists():
    names = [case.name for case in CASES]
    for pattern, reason in onnx_adapter.LEFT_OUT:
        assert onnx_adapter.fnmatch.filter(names, pattern), (pattern, reason)
