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
    r"continuous response": "响应变量为连续变量",
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
    r"number of distinct values": "不同取值的个数",
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
    r"only the values (.+)": r"只取\1",
    r"more than (\d+) values": r"取值多于\1个",
    r"largest Cook's D (\S+) \((.+)\), largest DFBETAS (\S+) \((.+) without (.+)\)": (
        r"最大Cook距离\1（\2），最大DFBETAS \3（剔除\5时的\4）"
    ),
}
# Patterns of the parts of evidence, between semicolons.
_PARTS: Mapping[str, str] = {
    r"skewness (\S+), excess kurtosis (\S+)": r"偏度\1，超额峰度\2",
    r"largest third (\S+) times the smallest": r"最大的三分之一是最小的\1倍",
    r"(\S+)% of the spread of deviations": r"占偏差变异的\1%",
    r"effect size (\S+), of no account below (\S+)": r"效应量\1，低于\2时可忽略",
    r"effect size (\S+), a violation from (\S+) on": r"效应量\1，达到\2才算违背",
    r"of (\d+) slopes the most needed: (.+) by (.+)": r"\1个候选斜率中最需要的是\2（按\3）",
    r"(.+) by (.+)": r"\1（按\2）",
}
# Patterns of the sentences that say what a check means.
_MEANINGS: Mapping[str, str] = {
    r"The data say nothing about that variance\.": "数据对该方差不提供任何信息。",
    r"The optimum is certified\.": "最优解已通过验证。",
    r"The estimates are not those of the lowest criterion\.": "估计值并非准则最低处的估计值。",
    r"No variance is zero and no correlation is 1\.": "没有方差为零，也没有相关系数为±1。",
    r"The data do not support all random effects; the fixed effects stand\.": (
        "数据不支持全部随机效应；固定效应仍然成立。"
    ),
    r"A variance from (\d+) levels of (.+) is hardly known\.": r"由\2的\1个水平难以估计其方差。",
    r"A variance from (\d+) levels of (.+) is poorly determined\.": r"由\2的\1个水平得出的方差不够准确。",
    r"Every factor has at least (\d+) levels\.": r"每个分组因子至少有\1个水平。",
    r"The response takes many values\.": "响应变量的取值很多。",
    r"The response takes two values: its variance depends on its mean, and means may leave their range\.": (
        "响应变量只取两个值：其方差随均值而变，估计的均值也可能超出取值范围。"
    ),
    r"The response takes only (\d+) values: .+": (
        r"响应变量只取\1个值：模型把各值之间的距离视为相等，并假定误差服从正态分布。"
    ),
    r"The residuals deviate from a normal distribution \(.+\)\.": "残差偏离正态分布。",
    r"No sign that the residuals are not normal \(.+\)\.": "没有迹象表明残差不服从正态分布。",
    r"The random effects (.+) of (.+) deviate from a normal distribution \(.+\)\.": (
        r"\2的随机效应\1偏离正态分布。"
    ),
    r"No sign that the random effects (.+) of (.+) are not normal \(.+\)\.": (
        r"没有迹象表明\2的随机效应\1不服从正态分布。"
    ),
    r"Conditional residuals mix errors and shrunken random effects, .+": (
        "条件残差混有误差与经收缩的随机效应，看上去比误差更接近正态。"
    ),
    r"Conditional modes are shrunken by the normal model itself, .+": (
        "条件众数（BLUP）已按正态模型收缩，会掩盖偏离；各组大小不等时其分布也不相同。"
    ),
    r"With (\d+) values only gross deviations can be seen\.": r"只有\1个值，仅能发现严重的偏离。",
    r"With so many values small deviations are significant; look at the Q-Q plot\.": (
        "值如此之多，很小的偏离也会显著；请看Q-Q图。"
    ),
    r"Shapiro-Wilk is not used for n > (\d+): .+": (
        r"n > \1时不用Shapiro-Wilk检验：其p值仅在此范围内校准，且任何偏离都会显著；请看偏度与峰度。"
    ),
    r"The residual variance changes with the predictors\.": "残差方差随自变量变化。",
    r"The residual variance changes with the (?:fitted values|population means)\.": (
        "残差方差随预测均值变化。"
    ),
    r"No sign that the residual variance changes with the predictors\.": "没有迹象表明残差方差随自变量变化。",
    r"No sign that the residual variance changes with the (?:fitted values|population means)\.": (
        "没有迹象表明残差方差随预测均值变化。"
    ),
    r"Rows of a group are taken as independent given the fit; .+": (
        "该检验把同组的行视为在给定拟合后相互独立；均值设定有误时也会表现为方差不齐。"
    ),
    r"The residual variance differs between levels of (.+)\.": r"残差方差在\1的各水平间不同。",
    r"No sign that the residual variance differs between levels of (.+)\.": (
        r"没有迹象表明残差方差在\1的各水平间不同。"
    ),
    r"Residuals within a group are less variable the more its random effects fit; .+": (
        "随机效应拟合得越充分，组内残差的变异就越小；每个水平的行数少时，该检验过少拒绝。"
    ),
    r"Levels with fewer than 3 rows are left out \((\d+)\)\.": r"不足3行的水平未计入（\1个）。",
    r"Residuals of neighbouring rows of a level of (.+) are correlated \(lag 1: (.+)\)\.": (
        r"\1同一水平中相邻各行的残差相关（滞后1：\2）。"
    ),
    r"No sign of correlation in order within levels of (.+) \(lag 1: (.+)\)\.": (
        r"没有迹象表明\1各水平内按次序存在相关（滞后1：\2）。"
    ),
    r"Rows are taken in the order of the data, which must be that of time\.": (
        "各行按数据中的次序排列，该次序应为时间次序。"
    ),
    r"These residuals are correlated within groups even if the model is true\.": (
        "即使模型正确，这种残差在组内也是相关的。"
    ),
    r"Unequal distances in time are not taken into account; .+": (
        "未考虑时间间隔不等；每个水平的行数少时，随机效应会吸收相关，该检验过少拒绝。"
    ),
    r"No sign of curvature in the mean\.": "没有迹象表明均值是弯曲的。",
    r"The mean is not linear in the predictors: .+": "均值不是自变量的线性函数：预测均值的幂还能解释更多。",
    r"It also reacts to interactions and predictors that are left out\.": (
        "遗漏交互作用或自变量时该检验也会显著。"
    ),
    r"The mean is curved in (.+)\.": r"均值随\1弯曲。",
    r"No sign that the mean is curved in (.+)\.": r"没有迹象表明均值随\1弯曲。",
    r"A square sees bends, not waves; .+": "平方项能发现弯曲而非波动；其他数值自变量的平方也在模型中。",
    r"No sign that the effect of (.+) varies between levels of (.+)\.": (
        r"没有迹象表明\1的效应在\2的各水平间不同。"
    ),
    r"The effect of (.+) varies between levels of (.+) \(sd (.+)\); .+": (
        r"\1的效应在\2的各水平间不同（标准差\3）；不含该随机斜率时其标准误偏小。"
    ),
    r"p is that of the boundary: a mixture of chi-squares with (\d+) and (\d+) degrees of freedom\.": (
        r"p值按边界情形计算：自由度为\1与\2的卡方分布的混合。"
    ),
    r"Effects within and between levels of (.+) differ \((.+)\): .+": (
        r"\1的组内效应与组间效应不同（\2）：随机效应与其相关。"
    ),
    r"No sign that effects within and between levels of (.+) differ \((.+)\)\.": (
        r"没有迹象表明\1的组内效应与组间效应不同（\2）。"
    ),
    r"Group means of a few rows are uncertain themselves, which hides differences\.": (
        "由少数几行得到的组均值本身就不确定，会掩盖差异。"
    ),
    r"(\d+) of (\d+) rows lie farther from their prediction by the others than chance explains, "
    r"row (.+) \(counted from 0\) the farthest\.": (
        r"\2行中有\1行与由其他行所作的预测之差超出偶然所能解释的范围，以第\3行（从0数起）为最。"
    ),
    r"(\d+) of (\d+) rows lie farther from their prediction by the others than chance explains, "
    r"the row labelled '(.+)' the farthest\.": (
        r"\2行中有\1行与由其他行所作的预测之差超出偶然所能解释的范围，以标签为“\3”的行为最。"
    ),
    r"No row is an outlier; row (.+) \(counted from 0\) lies farthest from its prediction\.": (
        r"没有离群的行；第\1行（从0数起）与其预测相差最大。"
    ),
    r"No row is an outlier; the row labelled '(.+)' lies farthest from its prediction\.": (
        r"没有离群的行；标签为“\1”的行与其预测相差最大。"
    ),
    r"p-values are adjusted for (\d+) rows \((.+)\); .+": r"p值已按\1行校正（\2）；方差参数视为固定。",
    r"An outlier is a reason to look at the record, not to delete it\.": (
        "离群值应促使核对原始记录，而不是将其删除。"
    ),
    r"(\d+) of (\d+) levels of (.+) are outliers, (.+) the farthest\.": (
        r"\3的\2个水平中有\1个离群，以\4为最。"
    ),
    r"No level of (.+) is an outlier; (.+) is the farthest\.": r"\1没有离群的水平；\2离得最远。",
    r"p-values are adjusted for (\d+) levels \((.+)\); .+": r"p值已按\1个水平校正（\2）；所有参数视为已知。",
    r"Without (.+) the effect (.+) moves by (.+) standard errors\.": r"剔除\1后，\2的估计值移动\3个标准误。",
    r"No single level of (.+) moves an effect much\.": r"\1没有哪一个水平会使效应明显移动。",
    r"The responses are distributed as the fitted model says\.": "响应变量的分布与拟合的模型相符。",
    r"The responses are not distributed as the fitted model says\.": "响应变量的分布与拟合的模型不符。",
    r"p from (\d+) simulated responses, at least (.+)\.": r"p值由\1次模拟得出，不小于\2。",
    r"With strong random effects few groups decide, and only gross deviations are seen\.": (
        "随机效应很强时由少数组决定结果，只能发现严重的偏离。"
    ),
    r"Without (.+) not every fixed effect can be estimated\.": r"剔除\1后，有固定效应无法估计。",
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
    'W = 0.9，p = 0.010；偏度0.1，超额峰度7.7'
    """
    whole = translated(text, _WHOLE)
    if whole is not None:
        return whole
    first, *rest = text.replace(", p ", "，p ").split("; ")
    return "；".join([first, *(translated(part, _PARTS) or part for part in rest)])


def meaning_in_chinese(text: str) -> str:
    """What a check means, sentence by sentence.

    >>> meaning_in_chinese("The residual variance differs between levels of g.")
    '残差方差在g的各水平间不同。'
    """
    sentences = re.split(r"(?<=\.) (?=[A-Zp])", text)
    return "".join(translated(sentence, _MEANINGS) or "" for sentence in sentences)


def check_in_chinese(check: Check) -> Check:
    """A check with its texts in Chinese; of its meaning, sentences without a pattern are left out."""
    return replace(
        check,
        assumption=in_chinese(check.assumption),
        test=in_chinese(check.test),
        evidence=evidence_in_chinese(check.evidence),
        meaning=meaning_in_chinese(check.meaning),
    )
