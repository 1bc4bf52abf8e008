"""The account of a fit in sentences: from a design and its fit to sections, in the words of a language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mixwell.data.columns import Column, Factor, Logicals
from mixwell.data.instants import Instants
from mixwell.design.record import Design, GroupingFactor, RandomTerm, Recipe
from mixwell.diagnostics.checks import Checks
from mixwell.diagnostics.record import Check
from mixwell.errors import MixwellError
from mixwell.explore.hierarchy import relation
from mixwell.fit import quantities
from mixwell.fit.control import Control
from mixwell.fit.record import Fit
from mixwell.inference import icc_r2
from mixwell.inference.anova import TermTest, anova
from mixwell.inference.contrast import RowTests, row_tests
from mixwell.inference.degrees_of_freedom import approximation
from mixwell.inference.emmeans import response_transform
from mixwell.inference.parameters import parameter_names
from mixwell.inference.profile import intervals as profile_intervals
from mixwell.report import coefficients, convergence
from mixwell.report.checks_zh import check_in_chinese, in_chinese
from mixwell.report.equation import estimated_equation, model_equation
from mixwell.report.record import Block, Bullets, Narrative, Paragraph, Place, Section
from mixwell.report.reproduce import code_block, versions
from mixwell.report.tables import Table, TableRow, cell
from mixwell.report.text import number
from mixwell.report.words import Words, beside, p_short, percent, plain

FloatArray = NDArray[np.float64]

LEVEL = 0.95
ALPHA = 0.05
# A normal variable lies within so many standard deviations with probability 0.95.
TWO_SIDED = 1.96
# Factors with fewer levels than this tell little about their variance.
FEW_LEVELS = 10
# More coefficients than this are not told one by one, nor are more correlations of a term than the second.
MOST_TOLD = 25
MOST_CORRELATIONS = 3
# A correlation closer to 0 than this is hardly one.
WEAK = 0.1
# Profiles are for models with at most so many variance parameters and random effects: beyond, they take long.
PROFILE_PARAMETERS = 6
PROFILE_EFFECTS = 5000
# Levels of a factor that the table of variables lists.
LEVELS_LISTED = 6


@dataclass(frozen=True, slots=True)
class Account:
    """Everything a report tells of, computed once.

    Attributes
    ----------
    design, fit
        The fitted model.
    checks
        The checks, in the language of the report; empty if they were not made.
    skipped
        Checks that could not be made.
    source
        Python that makes the data, for the code to reproduce; empty if unknown.
    text
        The words.
    tests
        Of the fixed effects.
    terms
        Tests of the terms of the fixed part; empty without any.
    spreads
        Intervals of the variance parameters that have one, by name.
    """

    design: Design
    fit: Fit
    checks: tuple[Check, ...]
    skipped: tuple[str, ...]
    source: str
    text: Words
    tests: RowTests
    terms: tuple[TermTest, ...]
    spreads: Mapping[str, tuple[float, float]]


def account(
    design: Design,
    fit: Fit,
    text: Words,
    *,
    checks: Checks | None = None,
    source: str = "",
    control: Control | None = None,
) -> Account:
    """Compute what is told."""
    method = approximation(design, fit, "satterthwaite")
    made = () if checks is None else tuple(reworded(check, design, fit, text) for check in checks)
    skipped = () if checks is None else tuple(assumption for assumption, _ in checks.skipped)
    if text.lang == "zh":
        made = tuple(check_in_chinese(check) for check in made)
        skipped = tuple(in_chinese(assumption) for assumption in skipped)
    return Account(
        design=design,
        fit=fit,
        checks=made,
        skipped=skipped,
        source=source,
        text=text,
        tests=row_tests(method, fit.beta, np.eye(len(fit.beta))),
        terms=anova(design, fit, method) if len(fit.beta) and design.recipe is not None else (),
        spreads=spread_intervals(design, fit, control),
    )


def reworded(check: Check, design: Design, fit: Fit, text: Words) -> Check:
    """The checks of the optimum, with their evidence in the words of the report."""
    if check.assumption == "converged" and fit.certificate.converged:
        return replace(check, evidence=text.say("check_gap", gap=f"{convergence.gap(fit):.0e}"))
    if check.assumption == "converged":
        return replace(check, evidence=failed_condition(fit, text))
    if check.assumption == "regular covariances" and convergence.is_singular(fit):
        return replace(check, evidence=text.listed(singular_phrases(design, fit, text)[0]))
    return check


def spread_intervals(design: Design, fit: Fit, control: Control | None) -> dict[str, tuple[float, float]]:
    """Profile intervals of standard deviations and correlations, where they can be had in short time."""
    effects = sum(modes.size for modes in fit.modes)
    if (
        not fit.certificate.converged
        or len(fit.theta) > PROFILE_PARAMETERS
        or effects > PROFILE_EFFECTS
        or convergence.is_singular(fit)
    ):
        return {}
    names = parameter_names(design, fit)[: len(fit.theta) + 1]
    try:
        rows = profile_intervals(design, fit, level=LEVEL, parameters=names, control=control)
    except MixwellError:
        # A profile that cannot be followed to its ends; the estimates stand without intervals.
        return {}
    return {name: (low, high) for name, low, high in rows if np.isfinite(low) and np.isfinite(high)}


def narrate(told: Account) -> Narrative:
    """The whole account."""
    text = told.text
    made = (
        ("overview", overview(told)),
        ("data", data_section(told)),
        ("model", model_section(told)),
        ("fixed_effects", fixed_section(told)),
        ("variance", variance_section(told)),
        ("convergence", convergence_section(told)),
        ("checks", checks_section(told)),
        ("limits", limits_section(told)),
        ("reproduce", reproduce_section(told)),
    )
    return Narrative(
        text.say("title", y=told.design.response_name),
        tuple(Section(key, text.sentences[key], tuple(blocks)) for key, blocks in made),
    )


# ---- at a glance


def overview(told: Account) -> list[Block]:
    design, fit, text = told.design, told.fit, told.text
    groups = [
        text.say("glance_group", levels=text.say("levels", n=str(f.n_levels)), group=f.name)
        for f in design.factors
    ]
    sentences = [
        text.say(
            "glance",
            y=design.response_name,
            rows=text.say("rows", n=str(design.n_obs)),
            groups=text.listed(groups),
        )
    ]
    if told.terms:
        clear = [term.term for term in told.terms if term.test.p_value < ALPHA]
        everything = text.listed([term.term for term in told.terms])
        if len(clear) == len(told.terms):
            sentences.append(text.say("glance_terms_all", names=everything))
        elif clear:
            sentences.append(text.say("glance_terms", names=text.listed(clear)))
        else:
            sentences.append(text.say("glance_terms_none", names=everything))
    r2 = icc_r2.r2(design, fit)
    sentences.append(
        text.say("glance_shares", marginal=percent(r2.marginal), conditional=percent(r2.conditional))
    )
    sentences.append(
        text.sentences["glance_certified" if fit.certificate.converged else "glance_uncertified"]
    )
    if convergence.is_singular(fit):
        sentences.append(text.sentences["glance_singular"])
    if told.checks:
        sentences.append(checks_count(told.checks, text, "glance_checks_fine", "glance_checks"))
    return [Paragraph(text.joined(sentences))]


def checks_count(checks: Sequence[Check], text: Words, all_fine: str, mixed: str) -> str:
    """How many checks came out how."""
    by = {v: sum(row.verdict == v for row in checks) for v in ("fine", "look", "violated")}
    n = str(len(checks))
    if by["fine"] == len(checks):
        fields = {"n": n}
        if all_fine == "checks_fine":
            fields["names"] = text.listed(list(dict.fromkeys(row.assumption for row in checks)), 12)
        return text.say(all_fine, **fields)
    return text.say(mixed, n=n, **{verdict: str(count) for verdict, count in by.items()})


# ---- data


def data_section(told: Account) -> list[Block]:
    design, text = told.design, told.text
    y = design.y
    sd = float(np.std(y, ddof=1))
    sentences = [
        text.say(
            "data_rows",
            rows=text.say("rows", n=str(design.n_obs)),
            y=design.response_name,
            mean=beside(float(y.mean()), sd),
            sd=beside(sd, sd),
            low=plain(float(y.min())),
            high=plain(float(y.max())),
        )
    ]
    rows = design.rows
    if rows is not None and rows.n_dropped:
        columns = [text.say("data_missing", column=name, n=str(n)) for name, n in rows.missing.items()]
        sentences.append(
            text.say(
                "data_dropped",
                given=str(rows.n_given),
                dropped=str(rows.n_dropped),
                columns=text.listed(columns),
            )
        )
    elif rows is not None:
        sentences.append(text.sentences["data_all"])
    structure = [sentence for factor in design.factors for sentence in factor_sentences(factor, text)]
    structure += relation_sentences(design, text)
    inputs = []
    if design.weights is not None:
        low, high = float(design.weights.min()), float(design.weights.max())
        inputs.append(text.say("data_weights", low=number(low, 3), high=number(high, 3)))
    if design.offset is not None:
        inputs.append(text.sentences["data_offset"])
    blocks: list[Block] = [Paragraph(text.joined(sentences)), Paragraph(text.joined([*structure, *inputs]))]
    if design.variables:
        heads = (text.sentences["variable"], text.sentences["kind"], text.sentences["values"])
        body = tuple(TableRow((name, *described(column, text))) for name, column in design.variables.items())
        blocks.append(Table(text.sentences["table_variables"], heads, body, text_columns=3))
    return [*blocks, Place(("data",))]


def factor_sentences(factor: GroupingFactor, text: Words) -> list[str]:
    """How many rows the levels have."""
    sizes = np.bincount(factor.codes, minlength=factor.n_levels)
    levels = text.say("levels", n=str(factor.n_levels))
    if sizes.min() == sizes.max():
        rows = text.say("rows", n=str(int(sizes[0])))
        sentences = [text.say("data_balanced", group=factor.name, levels=levels, rows=rows)]
    else:
        sentences = [
            text.say(
                "data_sizes",
                group=factor.name,
                levels=levels,
                low=str(sizes.min()),
                high=text.say("rows", n=str(int(sizes.max()))),
                median=plain(float(np.median(sizes))),
            )
        ]
    singles = int(np.sum(sizes == 1))
    if singles == 1:
        sentences.append(text.say("data_singleton", group=factor.name))
    elif singles:
        sentences.append(text.say("data_singletons", n=str(singles), group=factor.name))
    return sentences


def relation_sentences(design: Design, text: Words) -> list[str]:
    """What is nested in what."""
    factors = [Factor(f.name, f.codes, f.levels, None) for f in design.factors]
    sentences = []
    for a, b in combinations(range(len(factors)), 2):
        found = relation(factors, a, b)
        outer, inner = factors[found.outer], factors[found.inner]
        fields = {"outer": outer.name, "inner": inner.name}
        if found.kind == "partly crossed":
            fields |= {"n": str(found.combinations), "all": str(len(outer.levels) * len(inner.levels))}
        sentences.append(text.say(f"data_{found.kind.replace(' ', '_')}", **fields))
    return sentences


def described(column: Column, text: Words) -> tuple[str, str]:
    """Kind and values of a variable."""
    if isinstance(column, Factor | Logicals):
        codes = column.codes if isinstance(column, Factor) else column.values.astype(np.int32)
        labels = column.levels.tolist() if isinstance(column, Factor) else ["False", "True"]
        counts = np.bincount(codes, minlength=len(labels))
        parts = [
            text.say("values_level", level=label, n=str(n)) for label, n in zip(labels, counts, strict=True)
        ]
        kind = "kind_factor" if isinstance(column, Factor) else "kind_logical"
        return text.sentences[kind], text.listed(parts, LEVELS_LISTED)
    if isinstance(column, Instants):
        days = column.values.astype("datetime64[D]")
        return text.sentences["kind_date"], f"{days.min()} – {days.max()}"
    values = column.floats()
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return text.sentences["kind_number"], text.say(
        "values_number",
        mean=beside(float(values.mean()), sd),
        sd=number(sd, 3),
        low=plain(float(values.min())),
        high=plain(float(values.max())),
    )


# ---- model


def model_section(told: Account) -> list[Block]:
    design, fit, text = told.design, told.fit, told.text
    method = "reml" if fit.reml else "ml"
    first = [
        text.say(f"model_sentence_{method}", formula=design.formula, version=versions()["mixwell"]),
        text.sentences[f"model_why_{method}"],
    ]
    names = [term.name for term in design.fixed_terms if term.name != "(Intercept)"]
    if len(names) > 1:
        first.append(text.say("model_fixed", names=text.listed(names, 12)))
    elif names:
        first.append(text.say("model_fixed_one", names=names[0]))
    elif len(fit.beta):
        first.append(text.sentences["model_fixed_intercept"])
    else:
        first.append(text.sentences["model_fixed_none"])
    first += coding_sentences(design.recipe, text) if design.recipe is not None else []
    dropped = quantities.dropped_names(design, fit)
    if dropped:
        key = "model_aliased_one" if len(dropped) == 1 else "model_aliased"
        first.append(text.say(key, names=text.listed(dropped)))
    random = [term_sentence(design, term, text) for term in design.terms]
    for f, factor in enumerate(design.factors):
        if len(quantities.terms_of(design, f)) > 1:
            random.append(text.say("model_independent", group=factor.name))
    tests = [text.sentences["model_tests"]] if len(fit.beta) else []
    if told.spreads:
        tests.append(text.sentences["model_profile"])
    blocks: list[Block] = [Paragraph(text.joined(first)), Bullets(tuple(random))]
    if tests:
        blocks.append(Paragraph(text.joined(tests)))
    blocks += [Paragraph(text.sentences["model_equation"]), model_equation(design, fit)]
    if 0 < len(fit.beta) <= MOST_TOLD:
        blocks += [Paragraph(text.sentences["model_estimated"]), estimated_equation(design, fit)]
    return blocks


def coding_sentences(recipe: Recipe, text: Words) -> list[str]:
    """Reference levels, other contrasts, and the scale of the response."""
    sentences, pairs = [], []
    for name, coding in coefficients.fixed_codings(recipe).items():
        if coding.levels is None:
            continue
        kind = coefficients.contrast_kind(coding)
        if kind == "treatment":
            level = coefficients.base_level(coding)
            pairs.append(text.say("model_reference_pair", factor=name, level=level))
        elif kind == "matrix":
            sentences.append(text.say("model_coding_matrix", factor=name))
        else:
            sentences.append(text.say("model_coding", factor=name, kind=kind))
    if pairs:
        sentences.insert(0, text.say("model_reference", pairs=text.clauses(pairs)))
    transform = response_transform(recipe.formula.response.expression)
    if transform is not None:
        key = "model_log" if transform.makes_ratios else "model_transform"
        sentences.append(text.say(key, y=recipe.formula.response.name))
    return sentences


def term_sentence(design: Design, term: RandomTerm, text: Words) -> str:
    """What a random term stands for."""
    group = design.factors[term.factor].name
    effects = text.listed([name for name in term.names if name != "(Intercept)"])
    if not effects:
        return text.say("model_random_intercept", label=term.label, group=group)
    key = "model_random_both" if "(Intercept)" in term.names else "model_random_slopes"
    return text.say(key, label=term.label, group=group, effects=effects)


# ---- fixed effects


def fixed_section(told: Account) -> list[Block]:
    design, fit, text, tests = told.design, told.fit, told.text, told.tests
    if not len(fit.beta):
        return [Paragraph(text.sentences["fixed_absent"])]
    names = quantities.kept_names(design, fit)
    low, high = tests.interval(LEVEL)
    body = []
    for j, name in enumerate(names):
        se = float(tests.std_error[j])
        df, t, p = float(tests.df[j]), float(tests.statistic[j]), float(tests.p_value[j])
        ends = f"[{beside(float(low[j]), se)}, {beside(float(high[j]), se)}]"
        shown = (
            beside(float(fit.beta[j]), se),
            cell(se, beside(se, se)),
            cell(low[j] + high[j], ends),
            cell(df, f"{df:.1f}"),
            cell(t, f"{t:.2f}"),
            cell(p, p_short(p)),
        )
        body.append(TableRow((name, *shown)))
    heads = (
        text.sentences["term"],
        text.sentences["estimate"],
        text.sentences["std_error"],
        text.say("interval_head", level=percent(LEVEL)),
        "df",
        "t",
        "p",
    )
    blocks: list[Block] = [Table(text.say("table_fixed", level=percent(LEVEL)), heads, tuple(body))]
    if design.recipe is not None:
        if len(names) > MOST_TOLD:
            blocks.append(Paragraph(text.say("fixed_many", n=str(len(names)))))
        else:
            parts = coefficients.parts_of_columns(design, design.recipe)
            blocks.append(
                Bullets(
                    tuple(
                        coefficients.sentence(
                            design, design.recipe, estimate, parts[int(column)], LEVEL, text
                        )
                        for column, estimate in zip(
                            fit.kept, coefficients.estimates(fit, names, tests, LEVEL), strict=True
                        )
                    )
                )
            )
    if told.terms:
        blocks += term_blocks(told.terms, text)
    r2 = icc_r2.r2(design, fit)
    blocks.append(
        Paragraph(text.say("r2", marginal=percent(r2.marginal), conditional=percent(r2.conditional)))
    )
    return [*blocks, Place(("effects", "coefficients"))]


def term_blocks(terms: Sequence[TermTest], text: Words) -> list[Block]:
    """The tests of whole terms, as a table and in a sentence."""
    heads = (text.sentences["term"], text.sentences["num_df"], text.sentences["den_df"], "F", "p")
    body: list[TableRow] = []
    clear: list[str] = []
    unclear: list[str] = []
    for line in terms:
        test = line.test
        f_value = f"{test.f_value:.2f}"
        den_df = "∞" if np.isposinf(test.den_df) else f"{test.den_df:.1f}"
        body.append(TableRow((line.term, str(test.num_df), den_df, f_value, p_short(test.p_value))))
        told = text.say(
            "anova_term",
            term=line.term,
            num_df=str(test.num_df),
            den_df=den_df,
            f=f_value,
            p=text.p(test.p_value),
        )
        (clear if test.p_value < ALPHA else unclear).append(told)
    sentences = []
    if clear:
        sentences.append(text.say("anova_clear", names=text.listed(clear)))
        if unclear:
            sentences.append(text.say("anova_unclear", names=text.listed(unclear)))
    else:
        sentences.append(text.say("anova_unclear_all", names=text.listed(unclear)))
    if any(":" in line.term for line in terms):
        sentences.append(text.sentences["anova_contained"])
    return [Table(text.sentences["table_anova"], heads, tuple(body)), Paragraph(text.joined(sentences))]


# ---- variance components


def variance_section(told: Account) -> list[Block]:
    design, fit, text = told.design, told.fit, told.text
    blocks: list[Block] = [variance_table(told)]
    sentences = []
    for i, term in enumerate(design.terms):
        sentences += spread_sentences(told, i)
        sentences += correlation_sentences(told, i, term)
    noise = "var_residual" if design.weights is None else "var_residual_weights"
    sentences.append(text.say(noise, sd=number(fit.sigma, 3), interval=spread(told, "sigma", text)))
    blocks.append(Bullets(tuple(sentences)))
    blocks.append(Paragraph(icc_sentence(design, fit, text)))
    return [*blocks, Place(("variance", "random_effects", "intercept_slope", "trajectories"))]


def variance_table(told: Account) -> Table:
    """Variances, standard deviations with intervals, correlations."""
    design, fit, text = told.design, told.fit, told.text
    heads = [text.sentences["group"], text.sentences["effect"], text.sentences["variance_head"]]
    heads += [text.sentences["sd_head"]]
    if told.spreads:
        heads.append(text.say("interval_head", level=percent(LEVEL)))
    body = []
    for row in quantities.variance_components(design, fit):
        group = text.sentences["residual"] if row.term1 is None else row.group
        key = "sigma" if row.term1 is None else f"sd_{row.term1}|{row.group}"
        if row.term2 is not None:
            key = f"cor_{row.term2}.{row.term1}|{row.group}"
            effect = f"{text.sentences['cor_head']} {row.term1}, {row.term2}"
            cells = ["", "–" if row.sdcor is None else f"{row.sdcor:.2f}"]
        else:
            effect = row.term1 or ""
            cells = [number(row.vcov), number(float(np.sqrt(row.vcov)))]
        if told.spreads:
            ends = told.spreads.get(key)
            cells.append("–" if ends is None else f"[{number(ends[0], 3)}, {number(ends[1], 3)}]")
        body.append(TableRow((group, effect, *cells)))
    return Table(text.sentences["table_variance"], tuple(heads), tuple(body), text_columns=2)


def spread(told: Account, parameter: str, text: Words) -> str:
    """The interval of a standard deviation or correlation in parentheses; empty if there is none."""
    ends = told.spreads.get(parameter)
    if ends is None:
        return ""
    shown = text.interval(number(ends[0], 3), number(ends[1], 3), LEVEL)
    return text.say("sd_interval", interval=shown)


def spread_sentences(told: Account, index: int) -> list[str]:
    """How much the effects of a term vary."""
    design, fit, text = told.design, told.fit, told.text
    term, cov = design.terms[index], fit.term_cov[index]
    group = design.factors[term.factor].name
    fixed = dict(zip(quantities.kept_names(design, fit), fit.beta.tolist(), strict=True))
    slopes = slope_names(design, term)
    sentences = []
    for j, name in enumerate(term.names):
        sd = float(np.sqrt(cov[j, j]))
        key = f"sd_{name}|{group}"
        ends = spread(told, key, text)
        common = {"group": group, "sd": number(sd, 3), "interval": ends}
        if sd == 0:
            label = text.sentences["the_intercept"] if name == "(Intercept)" else name
            sentences.append(text.say("var_effect_zero", effect=label, group=group, interval=ends))
            continue
        if name == "(Intercept)":
            at_zero = [text.say("at_zero", variable=slope) for slope in slopes]
            where = text.say("where", conditions=text.clauses(at_zero)) if at_zero else ""
            half = f"±{number(TWO_SIDED * sd, 3)}"
            sentences.append(text.say("var_intercept", where=where, half=half, **common))
        elif name in fixed:
            low, high = fixed[name] - TWO_SIDED * sd, fixed[name] + TWO_SIDED * sd
            sentence = text.say(
                "var_slope",
                effect=name,
                mean=beside(fixed[name], sd),
                low=beside(low, sd),
                high=beside(high, sd),
                **common,
            )
            signs = text.sentences["var_slope_signs"] if low < 0 < high else ""
            sentences.append(text.joined([sentence, signs]))
        else:
            sentences.append(text.say("var_slope_centred", effect=name, **common))
        bounds = told.spreads.get(key)
        if bounds is not None and bounds[0] <= 0:
            label = text.sentences["the_intercept"] if name == "(Intercept)" else name
            sentences.append(text.say("var_excludes", effect=label, group=group))
    return sentences


def slope_names(design: Design, term: RandomTerm) -> list[str]:
    """Names of the numeric columns of a term: those that the intercept is at the zero of."""
    if design.recipe is None:
        return []
    plans = design.recipe.terms[next(i for i, other in enumerate(design.terms) if other is term)]
    return [
        name
        for name, plan in zip(term.names, plans, strict=True)
        if len(plan.pieces) == 1 and plan.pieces[0].column >= 0
    ]


def correlation_sentences(told: Account, index: int, term: RandomTerm) -> list[str]:
    """What the correlations of a term say."""
    design, fit, text = told.design, told.fit, told.text
    cov = fit.term_cov[index]
    group = design.factors[term.factor].name
    pairs = list(combinations(range(len(term.names)), 2))
    if len(pairs) > MOST_CORRELATIONS:
        return [text.say("cor_many", group=group, n=str(len(pairs)))]
    correlations = quantities.correlation(cov)
    singular = fit.certificate.terms[index].rank < len(cov)
    sentences = []
    for a, b in pairs:
        r = float(correlations[a, b])
        first, second = term.names[a], term.names[b]
        names = {"first": first, "second": second, "group": group}
        if np.isnan(r):
            sentences.append(text.say("cor_none", **names))
            continue
        if singular and abs(r) > 1 - 1e-6:
            sentences.append(text.say("cor_perfect", r=f"{r:+.0f}", **names))
            continue
        key = f"cor_{second}.{first}|{group}"
        kind = "cor_weak" if abs(r) < WEAK else "cor_positive" if r > 0 else "cor_negative"
        parts = [text.say(kind, r=f"{r:.2f}", interval=spread(told, key, text), **names)]
        ends = told.spreads.get(key)
        open_ = ends is not None and ends[0] <= 0 <= ends[1]
        if open_:
            parts.append(text.sentences["cor_open"])
        if first == "(Intercept)" and second in slope_names(design, term):
            if kind != "cor_weak" and not open_:
                fan = "cor_fan_out" if r > 0 else "cor_fan_in"
                parts.append(text.say(fan, effect=second))
            parts.append(text.say("cor_zero_point", effect=second))
        sentences.append(text.joined(parts))
    return sentences


def icc_sentence(design: Design, fit: Fit, text: Words) -> str:
    """The intraclass correlation and what it means in this model."""
    found = icc_r2.icc(design, fit)
    if found.adjusted == 0:
        return text.sentences["icc_zero"]
    icc = f"{found.adjusted:.3f}"
    plain = all(term.names == ("(Intercept)",) for term in design.terms)
    if plain and len(design.factors) == 1:
        return text.say("icc_one", icc=icc, group=design.factors[0].name)
    if len(design.factors) == 1:
        return text.say("icc_slopes", icc=icc)
    parts = [
        text.say("icc_part", group=group, share=percent(share)) for group, share in found.by_factor.items()
    ]
    return text.say("icc_several", icc=icc, parts=text.listed(parts))


# ---- convergence


def convergence_section(told: Account) -> list[Block]:
    design, fit, text = told.design, told.fit, told.text
    certificate = fit.certificate
    fields = {
        "criterion": text.sentences["criterion_reml" if fit.reml else "criterion_ml"],
        "value": f"{fit.criterion:.4f}",
        "n": str(fit.trace.evaluations),
    }
    if certificate.converged:
        sentences = [text.say("conv_certified", gap=f"{convergence.gap(fit):.0e}", **fields)]
    else:
        sentences = [
            text.say(
                "conv_failed", reason=failed_condition(fit, text), gap=number(certificate.gap, 3), **fields
            ),
            text.sentences["conv_try"],
        ]
    if not convergence.is_singular(fit):
        sentences.append(text.sentences["conv_regular"])
        return [Paragraph(text.joined(sentences))]
    phrases, drops = singular_phrases(design, fit, text)
    singular = [text.say("sing_intro", phrases=text.clauses(phrases))]
    if certificate.converged:
        singular.append(text.sentences["sing_optimum"])
    singular.append(text.sentences["sing_drop" if drops else "sing_simplify"])
    return [Paragraph(text.joined(sentences)), Paragraph(text.joined(singular))]


def failed_condition(fit: Fit, text: Words) -> str:
    """Which condition of the certificate failed."""
    reason = fit.certificate.reason
    if reason in ("gradient", "boundary", "negative_curvature"):
        return text.sentences[f"conv_{reason}"]
    return text.say("conv_other", code=reason)


def singular_phrases(design: Design, fit: Fit, text: Words) -> tuple[list[str], bool]:
    """What does not vary, and whether these all are effects that could be left out."""
    phrases, drops = [], True
    for term, certificate, cov in zip(design.terms, fit.certificate.terms, fit.term_cov, strict=True):
        k = len(term.names)
        if certificate.rank == k:
            continue
        empty = [] if certificate.rank == 0 else convergence.empty_combinations(term, certificate)
        if certificate.rank == 0:
            if k > 1:
                phrases.append(text.say("sing_all", label=term.label))
                continue
            empty = [term.names[0]]
        if len(empty) == 1 and empty[0] in term.names:
            effect = text.sentences["the_intercept"] if empty[0] == "(Intercept)" else empty[0]
            phrases.append(text.say("sing_zero", effect=effect, label=term.label))
            continue
        drops = False
        if k == 2:
            first, second = term.names
            phrases.append(
                text.say(
                    "sing_correlation",
                    first=first,
                    second=second,
                    label=term.label,
                    r="+1" if cov[0, 1] > 0 else "-1",
                    combination=empty[0],
                )
            )
        elif len(empty) > convergence.LISTED:
            phrases.append(text.say("sing_rank", label=term.label, rank=str(certificate.rank), k=str(k)))
        else:
            key = "sing_combination" if len(empty) == 1 else "sing_combinations"
            phrases.append(text.say(key, label=term.label, combinations=text.listed(empty)))
    return phrases, drops


# ---- checks


def checks_section(told: Account) -> list[Block]:
    text, checks = told.text, told.checks
    if not checks:
        return [Paragraph(text.sentences["checks_none"])]
    heads = tuple(text.sentences[k] for k in ("assumption", "test", "verdict", "evidence"))
    body = tuple(
        TableRow((row.assumption, row.test, text.sentences[row.verdict], row.evidence)) for row in checks
    )
    items = []
    for row in checks:
        if row.verdict == "fine":
            continue
        said = text.say(
            f"check_{row.verdict}", assumption=row.assumption, test=row.test, evidence=row.evidence
        )
        remedy = text.say("check_remedy", remedy=row.remedy) if row.remedy else ""
        items.append(text.joined([said, row.meaning, remedy]))
    blocks: list[Block] = [Paragraph(checks_count(checks, text, "checks_fine", "checks_count"))]
    if items:
        blocks.append(Bullets(tuple(items)))
    closing = [text.sentences["checks_caveat"]]
    if told.skipped:
        closing.insert(0, text.say("checks_skipped", names=text.listed(told.skipped)))
    blocks.append(Paragraph(text.joined(closing)))
    figures = Place(("residuals", "qq", "scale_location", "qq_random", "acf", "cooks", "residuals_by_group"))
    return [*blocks, Table(text.sentences["table_checks"], heads, body, text_columns=4), figures]


# ---- limits


def limits_section(told: Account) -> list[Block]:
    design, fit, text = told.design, told.fit, told.text
    items = []
    if not fit.certificate.converged:
        items.append(text.sentences["limit_uncertified"])
    if convergence.is_singular(fit):
        items.append(text.sentences["limit_singular"])
    items += [
        text.say("limit_few", group=factor.name, n=str(factor.n_levels))
        for factor in design.factors
        if factor.n_levels < FEW_LEVELS
    ]
    violated = [row.assumption for row in told.checks if row.verdict == "violated"]
    if violated:
        items.append(text.say("limit_violated", names=text.listed(list(dict.fromkeys(violated)))))
    if design.rows is not None and design.rows.n_dropped:
        items.append(text.sentences["limit_missing"])
    if quantities.dropped_names(design, fit):
        items.append(text.sentences["limit_aliased"])
    recipe = design.recipe
    if recipe is not None and "(Intercept)" in quantities.kept_names(design, fit):
        outside = coefficients.zero_outside(design, recipe)
        if outside:
            where = [text.say("at_zero", variable=variable) for variable in outside]
            items.append(text.say("limit_extrapolated", conditions=text.clauses(where)))
    if recipe is not None:
        transform = response_transform(recipe.formula.response.expression)
        if transform is not None and transform.makes_ratios:
            items.append(text.sentences["limit_log"])
    if len(fit.beta):
        items.append(text.sentences["limit_approximate"])
    if not fit.reml:
        items.append(text.sentences["limit_ml"])
    if len(fit.beta) > FEW_LEVELS:
        items.append(text.say("limit_many", n=str(len(fit.beta))))
    items.append(text.sentences["limit_cause"])
    return [Bullets(tuple(items))]


# ---- to reproduce


def reproduce_section(told: Account) -> list[Block]:
    text = told.text
    listed = [f"{name} {version}" for name, version in versions().items()]
    heading = f"{text.sentences['versions']}{text.sentences['colon']}"
    return [
        code_block(told.design, told.fit, told.source, text),
        Paragraph(heading + text.sentences["comma"].join(listed)),
    ]
