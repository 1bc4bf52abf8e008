"""The checks in Chinese: each text of :mod:`mixwell.diagnostics.checks` by its pattern."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from mixwell.diagnostics.record import Check

# Patterns of whole texts; groups are names and numbers, which stay. The first that matches is taken.
_WHOLE: Mapping[str, str] = {
    # assumptions
    r"converged": "已收敛",
    r"regular covariances": "协方差矩阵非奇异",
    r"enough groups": "组数足够",
    r"linear mean": "均值为线性",
    r"no slope missing": "不缺随机斜率",
    r"same effects in (.+)": r"\1组内与组间效应相同",
    r"normal residuals": "残差服从正态分布",
    r"normal random effects": "随机效应服从正态分布",
    r"normal \(Intercept\) by (.+)": r"\1的随机截距服从正态分布",
    r"normal (.+) by (.+)": r"\2的随机效应\1服从正态分布",
    r"equal variance": "方差齐性",
    r"equal variance \(White\)": "方差齐性（White）",
    r"equal variance by (.+)": r"各\1间方差齐性",
    r"independent in order": "按次序相互独立",
    r"no outlying rows": "无离群的行",
    r"no outlying (.+)": r"\1无离群的水平",
    r"no influential (.+)": r"\1无强影响的水平",
    r"distribution as fitted": "分布与模型相符",
    # tests
    r"certificate of the optimum": "最优点证书",
    r"rank of the random effects' covariances": "随机效应协方差矩阵的秩",
    r"number of levels": "水平数",
    r"deletion of levels": "逐一剔除水平",
    r"(Anderson-Darling|Breusch-Pagan|Brown-Forsythe|D'Agostino-Pearson|Durbin-Watson) test": r"\1检验",
    r"(Ljung-Box|Mundlak|RESET|Shapiro-Wilk) test": r"\1检验",
    r"White's test": "White检验",
    r"Curvature test": "弯曲检验",
    r"Omitted-slope test": "遗漏斜率检验",
    r"Outlier test": "离群值检验",
    r"Simulation test": "模拟检验",
    # evidence
    r"every covariance matrix has full rank": "每个协方差矩阵都满秩",
    r"largest Cook's D (\S+) \((.+)\), largest DFBETAS (\S+) \((.+) without (.+)\)": (
        r"最大Cook距离\1（\2），最大DFBETAS \3（剔除\5时的\4）"
    ),
}
# Patterns of the parts of evidence, between semicolons.
_PARTS: Mapping[str, str] = {
    r"skewness (\S+), excess kurtosis (\S+)": r"偏度\1，超额峰度\2",
    r"largest third (\S+) times the smallest": r"最大的三分之一是最小的\1倍",
    r"(\S+)% of the spread of deviations": r"占偏差变异的\1%",
    r"of (\d+) slopes the most needed: (.+) by (.+)": r"\1个候选斜率中最需要的是\2（按\3）",
    r"(.+) by (.+)": r"\1（按\2）",
}


def translated(text: str, patterns: Mapping[str, str]) -> str | None:
    """A text by the first pattern that matches all of it; None if none does."""
    for pattern, replacement in patterns.items():
        match = re.fullmatch(pattern, text)
        if match:
            return match.expand(replacement)
    return None


def in_chinese(text: str) -> str:
    """An assumption or a test in Chinese; an unknown one stays as it is.

    >>> in_chinese("equal variance by Litter")
    '各Litter间方差齐性'
    """
    return translated(text, _WHOLE) or text


def evidence_in_chinese(text: str) -> str:
    """Evidence in Chinese: statistics stay as they are, words beside them do not.

    >>> evidence_in_chinese("W = 0.9, p = 0.010; skewness 0.1, excess kurtosis 7.7")
    'W = 0.9, p = 0.010；偏度0.1，超额峰度7.7'
    """
    whole = translated(text, _WHOLE)
    if whole is not None:
        return whole
    first, *rest = text.split("; ")
    return "；".join([first, *(translated(part, _PARTS) or part for part in rest)])


def check_in_chinese(check: Check) -> Check:
    """A check with its texts in Chinese; its meaning, which the verdict states, is left out."""
    return replace(
        check,
        assumption=in_chinese(check.assumption),
        test=in_chinese(check.test),
        evidence=evidence_in_chinese(check.evidence),
        meaning="",
    )
