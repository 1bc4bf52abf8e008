"""The data: rows, variables, how the grouping factors divide the rows."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from mixwell.data.columns import Column, Factor, Logicals
from mixwell.data.instants import Instants
from mixwell.design.record import Design, GroupingFactor
from mixwell.explore.hierarchy import relation
from mixwell.report.account import Account
from mixwell.report.formats import Table, TableRow
from mixwell.report.record import Block, Paragraph, Place
from mixwell.report.words import Words, beside, plain
from mixwell.text import number

# Levels of a factor that the table of variables lists.
LEVELS_LISTED = 6


def data_section(told: Account) -> list[Block]:
    """Rows used and left out, groups, variables."""
    design, text = told.design, told.text
    y = design.y
    sd = float(np.std(y, ddof=1))
    sentences = [
        text.say(
            "data_rows",
            rows=text.say("rows", n=str(design.n_obs)),
            y=told.response,
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
        body = tuple(
            TableRow((named(name, told.labels, text), *described(column, text)))
            for name, column in design.variables.items()
        )
        blocks.append(Table(text.sentences["table_variables"], heads, body, text_columns=3))
    return [*blocks, Place(("data",))]


def named(variable: str, labels: Mapping[str, str], text: Words) -> str:
    """The name of a variable, with its label if it has another one."""
    label = labels.get(variable, variable)
    return variable if label == variable else text.say("labelled", name=variable, label=label)


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
