"""Bootstrap: reproducible draws, known sampling distributions, interval formulas."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.special import ndtr, ndtri

import mixwell as mw
from mixwell import kernel
from mixwell.data.output import Origin
from mixwell.errors import MixwellError, MixwellWarning
from mixwell.inference import refits
from mixwell.inference.bootstrap import Bootstrap
from mixwell.inference.groups import is_nested
from mixwell.inference.parameters import parameter_names, parameter_values
from small_models import fitted, grouped, without_variance


@pytest.fixture(scope="module")
def dyestuff() -> mw.LmerResult:
    return mw.lmer("Yield ~ 1 + (1 | Batch)", mw.datasets.load_dyestuff())


def quiet(formula: str, data: Any, **options: Any) -> mw.LmerResult:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mw.lmer(formula, data, **options)


@pytest.mark.parametrize("name", ["slopes", "independent", "crossed", "category slopes"])
def test_parameters_are_those_of_the_fit(name: str) -> None:
    fit = fitted(name)
    names = parameter_names(fit.design, fit.fit)
    values = parameter_values(fit.design, fit.fit.theta[None], np.array([fit.sigma]), fit.fit.beta[None])[0]
    found = dict(zip(names, values, strict=True))
    for _, row in fit.variance_components.iterrows():
        if row["group"] == "Residual":
            assert found["sigma"] == pytest.approx(row["sdcor"], rel=1e-12)
        elif pd.isna(row["term2"]):
            assert found[f"sd_{row['term1']}|{row['group']}"] == pytest.approx(row["sdcor"], rel=1e-9)
        else:
            name = f"cor_{row['term2']}.{row['term1']}|{row['group']}"
            assert found[name] == pytest.approx(row["sdcor"], rel=1e-9, abs=1e-12)
    assert [found[name] for name in fit.params.index] == fit.params.tolist()


def test_parametric_draws_are_refits_of_simulated_responses() -> None:
    fit = fitted("slopes")
    boot = fit.bootstrap(5, seed=3)
    simulated = fit.simulate(5, seed=3).to_numpy()
    for draw, y in zip(boot.draws, simulated.T, strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            again = fit.refit(y)
        expected = parameter_values(
            fit.design, again.fit.theta[None], np.array([again.sigma]), again.fit.beta[None]
        )[0]
        np.testing.assert_allclose(draw, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["parametric", "residual", "cases"])
def test_seeds_repeat_and_more_draws_only_add(kind: Any) -> None:
    fit = fitted("slopes")
    first, again, more = (fit.bootstrap(n, kind=kind, seed=5).draws for n in (20, 20, 45))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first, more[:20])
    assert not np.array_equal(first, fit.bootstrap(20, kind=kind, seed=6).draws)


@pytest.mark.parametrize("kind", ["parametric", "residual", "cases"])
def test_standard_error_of_a_balanced_mean(dyestuff: mw.LmerResult, kind: Any) -> None:
    """The mean of 6 batches has the variance (sigma_b^2 + sigma^2 / 5) / 6; drawing 6 batches, 5/6 of it.

    5 % is three Monte Carlo errors of 2000 draws.
    """
    boot = dyestuff.bootstrap(2000, kind=kind, seed=1)
    component = boot.names.index("(Intercept)")
    exact = dyestuff.bse.iloc[0] * (np.sqrt(5 / 6) if kind == "cases" else 1.0)
    assert boot.std_error[component] == pytest.approx(exact, rel=0.05)
    assert abs(boot.bias[component]) < 4 * exact / np.sqrt(2000)


def test_residual_draws_have_the_estimated_variances() -> None:
    """In expectation over draws the variance of a response row is z' Sigma z + sigma^2 / w."""
    fit = fitted("weights, offset")
    boot = fit.bootstrap(
        3000, kind="residual", seed=2, statistic=lambda f: f.design.y[:6] - fit.predict(random=False).iloc[:6]
    )
    design = fit.design
    z = np.column_stack(design.terms[0].columns)[:6]
    variance = np.einsum("ij,jk,ik->i", z, fit.fit.term_cov[0], z) + fit.sigma**2 / design.weights[:6]
    np.testing.assert_allclose(boot.draws.var(axis=0), variance, rtol=0.12)


def test_cases_draw_whole_groups_and_nested_levels_stay_apart() -> None:
    data = mw.datasets.load_pastes()
    fit = mw.lmer("strength ~ 1 + (1 | batch / cask)", data)

    def sizes(result: mw.LmerResult) -> dict[str, float]:
        batch = next(f for f in result.design.factors if f.name == "batch")
        cask = next(f for f in result.design.factors if f.name == "batch:cask")
        pairs = np.bincount(cask.codes)
        return {"batches": batch.n_levels, "casks": cask.n_levels, "rows per cask": float(pairs.max())}

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        boot = fit.bootstrap(10, statistic=sizes, kind="cases", seed=1)
    np.testing.assert_array_equal(boot.draws, np.tile([10, 30, 2], (10, 1)))


def test_crossed_factors_need_a_choice() -> None:
    fit = mw.lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", mw.datasets.load_penicillin())
    with pytest.raises(mw.DataError, match="crossed: say with groups="):
        fit.bootstrap(10, kind="cases")
    assert len(fit.bootstrap(10, kind="cases", groups="plate", seed=1).draws) == 10
    with pytest.raises(mw.DataError, match="'pot' is not a grouping factor"):
        fit.bootstrap(10, kind="cases", groups="pot")


def test_nesting_of_factors() -> None:
    design = mw.lmer("strength ~ 1 + (1 | batch / cask)", mw.datasets.load_pastes()).design
    cask, batch = design.factors
    assert (is_nested(cask, batch), is_nested(batch, cask)) == (True, False)


@pytest.mark.parametrize(
    ("statistic", "names"),
    [
        (lambda f: f.sigma, ("statistic",)),
        (lambda f: [f.sigma, f.llf], ("statistic_1", "statistic_2")),
        (lambda f: {"s": f.sigma}, ("s",)),
        (lambda f: f.params, ("(Intercept)",)),
    ],
)
def test_any_statistic(dyestuff: mw.LmerResult, statistic: Any, names: tuple[str, ...]) -> None:
    boot = dyestuff.bootstrap(20, statistic=statistic, seed=4)
    assert boot.names == names
    assert boot.draws.shape == (20, len(names))
    own = dyestuff.bootstrap(20, seed=4)
    if names in {("statistic",), ("s",)}:
        np.testing.assert_allclose(boot.draws[:, 0], own.draws[:, 1], rtol=1e-5)


def test_what_a_statistic_may_not_return(dyestuff: mw.LmerResult) -> None:
    with pytest.raises(mw.DataError, match="must return numbers"):
        dyestuff.bootstrap(5, statistic=lambda f: {"a": "b"})
    with pytest.raises(mw.DataError, match="'parametric', 'residual', 'cases'"):
        dyestuff.bootstrap(5, kind="wild")  # type: ignore[arg-type]
    with pytest.raises(mw.DataError, match="at least 2"):
        dyestuff.bootstrap(1)


# ---- intervals


def made(draws: Any, estimate: float, jackknife: Any = None, ci: Any = "percentile") -> Bootstrap:
    values = np.asarray(draws, dtype=float)[:, None]
    left_out = None if jackknife is None else np.asarray(jackknife, dtype=float)[:, None]
    return Bootstrap(
        ("t",),
        np.array([estimate]),
        values,
        left_out,
        "parametric",
        len(values),
        0,
        ci,
        Origin("pandas", None),
    )


def test_percentile_and_basic_are_order_statistics() -> None:
    """999 draws 1..999: the 95 % ends are the 25th and 975th."""
    boot = made(np.random.default_rng(1).permutation(np.arange(1, 1000)), 480.0)
    assert boot.interval(0.95)[0] == pytest.approx((25, 975))
    assert boot.interval(0.95, "basic")[0] == pytest.approx((960 - 975, 960 - 25))


def test_bca_follows_efrons_formula() -> None:
    draws = np.arange(1, 1000)
    left_out = np.array([480.0, 470.0, 500.0, 481.0, 455.0])
    low, high = made(draws, 480.0, left_out).interval(0.9, "bca")[0]
    z0 = ndtri((479 + 0.5) / 999)
    d = left_out.mean() - left_out
    a = (d**3).sum() / (6 * (d**2).sum() ** 1.5)
    for end, tail in ((low, 0.05), (high, 0.95)):
        z = z0 + ndtri(tail)
        assert end == pytest.approx(1000 * ndtr(z0 + z / (1 - a * z)), rel=1e-9)


def test_bca_without_bias_or_skew_is_the_percentile_interval() -> None:
    draws = np.arange(1, 1000)
    boot = made(draws, 500.0, [499.0, 500.0, 501.0])
    assert boot.interval(0.95, "bca")[0] == pytest.approx(boot.interval(0.95)[0], rel=1e-9)


def test_bca_needs_its_jackknife(dyestuff: mw.LmerResult) -> None:
    with pytest.raises(MixwellError, match='ci="bca"'):
        dyestuff.bootstrap(20, seed=1).interval(0.95, "bca")
    with pytest.raises(MixwellError, match="one side of the estimate"):
        made(np.arange(10), -1.0, [1.0, 2.0]).interval(0.9, "bca")
    boot = dyestuff.bootstrap(50, seed=1, ci="bca")
    assert boot.jackknife is not None
    data = mw.datasets.load_dyestuff()
    for i, batch in enumerate("ABCDEF"):
        part = quiet("Yield ~ 1 + (1 | Batch)", data[data["Batch"] != batch])
        assert boot.jackknife[i, 2] == pytest.approx(part.params.iloc[0], rel=1e-9)
        assert boot.jackknife[i, 1] == pytest.approx(part.sigma, rel=1e-6)


def test_undefined_correlations_are_left_out_of_their_interval() -> None:
    boot = made([1.0, 2.0, np.nan, 3.0], 2.0)
    assert boot.interval(0.5)[0] == pytest.approx((1.0, 3.0))


def test_conf_int_and_frames(dyestuff: mw.LmerResult) -> None:
    table = dyestuff.conf_int(method="bootstrap", n=100, seed=1)
    boot = dyestuff.bootstrap(100, seed=1)
    np.testing.assert_array_equal(table.to_numpy(), np.array(boot.interval(0.95)))
    assert list(table.index) == list(boot.names) == boot.frame["term"].tolist()
    assert list(dyestuff.conf_int(method="bootstrap", n=50, seed=1, parameters="sigma").index) == ["sigma"]
    assert boot.samples.shape == (100, 3)
    in_polars = mw.lmer("y ~ x + (1 | g)", pl.from_pandas(grouped().reset_index(drop=True)))
    assert isinstance(in_polars.bootstrap(20, seed=1).conf_int(), pl.DataFrame)


def test_an_interrupt_keeps_what_is_done(dyestuff: mw.LmerResult) -> None:
    calls = 0

    def impatient(result: mw.LmerResult) -> float:
        nonlocal calls
        calls += 1
        if calls == 100:
            raise KeyboardInterrupt
        return result.sigma

    with pytest.warns(MixwellWarning, match="interrupted: [0-9]+ of 5000"):
        boot = dyestuff.bootstrap(5000, statistic=impatient, seed=1, progress=False)
    assert 10 <= len(boot.draws) < 100
    np.testing.assert_allclose(boot.draws[:10, 0], dyestuff.bootstrap(10, seed=1).draws[:, 1], rtol=1e-5)


def test_portions_cover_every_draw_once() -> None:
    for n in (1, 15, 16, 17, 1000):
        found = refits.in_portions(
            n, lambda a, b: np.arange(a, b, dtype=float)[:, None], "test", progress=False
        )
        np.testing.assert_array_equal(found[:, 0], np.arange(n))


def in_own_process(code: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def test_draws_do_not_depend_on_the_number_of_threads() -> None:
    """To the last bit, for every kind and a statistic of one's own."""
    code = (
        "import hashlib, mixwell as mw\n"
        "fit = mw.lmer('Reaction ~ Days + (Days | Subject)', mw.datasets.load_sleepstudy())\n"
        "for kind in ('parametric', 'residual', 'cases'):\n"
        "    print(hashlib.sha256(fit.bootstrap(150, kind=kind, seed=4).draws.tobytes()).hexdigest())\n"
        "print(fit.bootstrap(20, lambda f: f.sigma, seed=4).draws.tobytes().hex())\n"
        "print(fit.icc('bootstrap', n=50, seed=4), fit.ranova('bootstrap', n=50, seed=4).to_csv())\n"
    )
    one, two = (in_own_process(code, RAYON_NUM_THREADS=threads).communicate() for threads in ("1", "2"))
    assert len(one[0].splitlines()) > 6, one[1]
    assert one[0] == two[0]


@pytest.mark.skipif(os.name != "posix", reason="signals as of Ctrl-C are sent on POSIX systems")
def test_ctrl_c_during_refits_in_the_kernel_keeps_what_is_done() -> None:
    code = (
        "import mixwell as mw\n"
        "fit = mw.lmer('Reaction ~ Days + (Days | Subject)', mw.datasets.load_sleepstudy())\n"
        "fit.bootstrap(50, seed=1)\n"
        "print('started', flush=True)\n"
        "boot = fit.bootstrap(10_000_000, seed=1)\n"
        "print(len(boot.draws), len(boot.interval()), flush=True)\n"
    )
    process = in_own_process(code)
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    out, err = process.communicate(timeout=60)
    assert time.monotonic() - began < 20
    done, elements = map(int, out.split())
    assert 4 <= done < 10_000_000
    assert elements == 6
    assert f"interrupted: {done} of 10000000 are done and used" in err


def test_a_bar_appears_when_it_takes_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(refits, "PATIENCE", 0.05)

    def slow(start: int, stop: int) -> Any:
        time.sleep(0.06)
        return np.zeros((stop - start, 1))

    for progress in (True, False):
        refits.in_portions(6, slow, "Refits of everything", progress=progress)
        assert ("Refits of everything" in capsys.readouterr().err) is progress


def test_searches_that_end_badly_are_repeated_and_failures_are_missing(
    monkeypatch: pytest.MonkeyPatch, dyestuff: mw.LmerResult
) -> None:
    design = dyestuff.design
    responses = np.random.default_rng(1).normal(size=(30, 3)) + np.repeat(np.arange(6.0), 5)[:, None]
    expected = kernel.refit_many(design, responses, dyestuff.theta, reml=True)
    # A response without any residual has no fit.
    responses[:, 1] = np.repeat(np.arange(6.0), 5)

    def stopped(*args: Any, **options: Any) -> kernel.Refits:
        found = refit_many(*args, **options)
        found.theta[:] += 1.0
        found.converged[:] = False
        return found

    refit_many = kernel.refit_many
    monkeypatch.setattr(refits.kernel, "refit_many", stopped)
    found = refits.Refitting(design, dyestuff.theta, reml=True, control=None)(responses)
    assert np.isnan(found.criterion).tolist() == [False, True, False]
    assert np.isnan([found.sigma[1], found.theta[1, 0], found.beta[1, 0]]).all()
    for i in (0, 2):
        assert found.criterion[i] == pytest.approx(expected.criterion[i], abs=1e-7)
        assert found.theta[i] == pytest.approx(expected.theta[i], rel=1e-3)


def test_a_response_without_residual_has_no_refit(dyestuff: mw.LmerResult) -> None:
    responses = np.random.default_rng(1).normal(size=(30, 3)) + np.repeat(np.arange(6.0), 5)[:, None]
    responses[:, 1] = np.repeat(np.arange(6.0) ** 2, 5)
    found = refits.Refitting(dyestuff.design, dyestuff.theta, reml=True, control=None)(responses)
    assert np.isnan(found.criterion).tolist() == [False, True, False]


def test_any_failure_is_said(monkeypatch: pytest.MonkeyPatch, dyestuff: mw.LmerResult) -> None:
    """One of 400: left out, counted, in a warning and below the intervals."""

    def with_failure(self: Any, responses: Any) -> kernel.Refits:
        found = refit(self, responses)
        if responses.shape[1] == 4:
            found.criterion[2] = np.nan
        return found

    refit = refits.Refitting.__call__
    monkeypatch.setattr(refits.Refitting, "__call__", with_failure)
    with pytest.warns(MixwellWarning, match="1 of 400 refits"):
        boot = dyestuff.bootstrap(400, seed=1)
    assert (boot.n_failed, len(boot.draws)) == (1, 399)
    assert np.isfinite(boot.draws).all()
    for text in (str(boot), str(boot.conf_int())):
        assert "1 of 400 refits failed and are left out." in text
    assert "1 failed" in repr(boot)


def test_undefined_correlations_are_said() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flat = mw.lmer("y ~ x + (x | g)", without_variance())
        boot = flat.bootstrap(50, seed=2)
    count = int(np.isnan(boot.draws[:, 1]).sum())
    assert count > 0
    assert boot.n_undefined == {"cor_x.(Intercept)|g": count}
    assert f"cor_x.(Intercept)|g in {count}" in str(boot).replace("\n", " ")
    assert f"in {count}" in str(boot.conf_int(0.8))
    assert "nan" not in str(boot).lower()


def test_intervals_of_what_the_fit_does_not_define() -> None:
    boot = made(np.arange(60.0), np.nan, [1.0, 2.0])
    assert boot.interval(0.9)[0][0] < boot.interval(0.9)[0][1]
    for kind in ("basic", "bca"):
        with pytest.raises(MixwellError, match="'t' is not defined by the fit itself"):
            boot.interval(0.9, kind)  # type: ignore[arg-type]


def test_too_few_draws_for_a_level_are_said() -> None:
    """39 draws have a 2.5 % quantile, the smallest; 38 have none."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert made(np.arange(39.0), 20.0).interval()[0] == pytest.approx((0, 38))
    with pytest.warns(MixwellWarning, match="At least 39 are needed"):
        made(np.arange(38.0), 20.0).interval()


def test_a_printed_bootstrap_fits_the_page(dyestuff: mw.LmerResult) -> None:
    fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    for boot in (fit.bootstrap(60, seed=1), dyestuff.bootstrap(60, seed=1)):
        lines = str(boot).splitlines()
        assert lines[0] == "60 parametric bootstrap draws, percentile intervals"
        assert max(map(len, lines)) <= 79
        assert len(lines) == 3 + len(boot.names)


def test_failed_refits_are_counted() -> None:
    """Draws in which a whole category is lost have other coefficients and cannot be used."""
    data = grouped()
    data["rare"] = (data["g"] == "a").map({True: "yes", False: "no"})
    fit = quiet("y ~ x + rare + (1 | g)", data)
    with pytest.warns(MixwellWarning, match="failed and are left out"):
        boot = fit.bootstrap(60, kind="cases", seed=1)
    assert boot.n_failed + len(boot.draws) == 60
    # The group with "yes" is missing from a draw of 8 with probability (7/8)^8 = 0.34.
    assert 8 <= boot.n_failed <= 34


def test_the_fit_is_not_changed(dyestuff: mw.LmerResult) -> None:
    before = dyestuff.fit.theta.copy(), dyestuff.design.y.copy()
    dyestuff.bootstrap(20, seed=1)
    dyestuff.bootstrap(20, kind="cases", seed=1)
    np.testing.assert_array_equal(dyestuff.fit.theta, before[0])
    np.testing.assert_array_equal(dyestuff.design.y, before[1])
