"""The texts of pictures: English as written where they are used, Chinese from one table."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from mixwell.arguments import check_one_of
from mixwell.errors import MixwellWarning
from mixwell.plots.style import chinese_font

Lang = Literal["en", "zh"]
Labels = Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Words:
    """Language of a picture, and names for its variables (``{"Reaction": "Reaction time (ms)"}``)."""

    lang: Lang = "en"
    labels: Mapping[str, str] = field(default_factory=dict)

    def say(self, text: str, **values: object) -> str:
        """A text in the picture's language, its fields filled in."""
        chosen = CHINESE[text] if self.lang == "zh" else text
        return chosen.format(**values) if values else chosen

    def name(self, variable: str) -> str:
        """What a variable or effect is called on an axis."""
        if variable in self.labels:
            return self.labels[variable]
        if variable in ("(Intercept)", "Residual"):
            return self.say(variable)
        # Parts of an interaction, and levels in brackets: "age:Sex[Female]".
        pieces = []
        for part in variable.split(":"):
            name, bracket, level = part.partition("[")
            pieces.append(self.labels.get(name, name) + bracket + level)
        return ":".join(pieces)

    def list(self, names: Sequence[str]) -> str:
        """Several names in a row."""
        return ("、" if self.lang == "zh" else ", ").join(names)

    def count(self, shown: int, everything: int) -> str:
        """How many are drawn: ``18``, or ``80 of 2410``."""
        return f"{shown}" if shown == everything else self.say("{n} of {all}", n=shown, all=everything)


def words(lang: str, labels: Labels) -> Words:
    """Check the language; Chinese becomes English, with a warning, where no font has its characters.

    Raises
    ------
    MixwellError
        If the language is neither ``"en"`` nor ``"zh"``.
    """
    check_one_of("lang", lang, ("en", "zh"))
    if lang == "zh" and chinese_font() is None:
        warnings.warn(
            "No installed font has Chinese characters, so the picture is labelled in English; install one, "
            "for example Noto Sans CJK SC.",
            MixwellWarning,
            stacklevel=4,
        )
        return Words("en", labels or {})
    return Words("zh" if lang == "zh" else "en", labels or {})


CHINESE: Mapping[str, str] = {
    # names
    "(Intercept)": "（截距）",
    "Residual": "残差",
    "row": "行",
    "group": "组",
    "groups": "各组",
    "population": "总体",
    "population, {level:.0%} band": "总体及{level:.0%}置信带",
    "observed": "观测值",
    "fixed effects": "固定效应",
    "Fixed effects": "固定效应",
    "outlying": "离群",
    "highest: {names}": "最高：{names}",
    "lowest: {names}": "最低：{names}",
    "{names} and {n} more": "{names}等，另有{n}个",
    "model": "模型（部分合并）",
    "own rows only": "仅用本组数据（不合并）",
    "modes": "条件众数",
    "median": "中位数",
    "middle half": "中间一半",
    "both": "两者",
    "random intercept": "随机截距",
    "random slope": "随机斜率",
    "residuals": "残差",
    # axes
    "rows per cell": "每格行数",
    "density": "密度",
    "kernel density": "核密度",
    "correlation (whitened)": "相关系数（白化残差）",
    "correlation (drawn errors)": "相关系数（给定数据抽取的误差）",
    "leverage": "杠杆值",
    "normal quantile": "正态分位数",
    "standardized residual": "标准化残差",
    "standardized mode": "标准化条件众数",
    "fitted {y}": "{y}的拟合值",
    "residual of {y}": "{y}的残差",
    "Pearson residual of {y}": "{y}的Pearson残差",
    "√|residual / σ|": "√|残差 / σ|",
    "conditional mode of {effect}": "{effect}的条件众数",
    "conditional mode, {level:.0%} interval": "条件众数及{level:.0%}区间",
    "effect on {y}, {level:.0%} interval": "对{y}的效应及{level:.0%}区间",
    "% of the variance (in brackets: variance)": "占方差的百分比（括号内为方差）",
    "place of the row within {group}": "行在{group}内的次序",
    "row, in the order of the data, counted from 0": "行（按数据次序，从0数起）",
    "rows apart": "相隔行数",
    "rows apart, in order of {time}": "相隔行数（按{time}排序）",
    "{group}, sorted": "{group}（已排序）",
    "{group}, sorted by median": "{group}（按中位数排序）",
    "ζ (signed root)": "ζ（带符号的平方根）",
    "Cook's distance": "Cook距离",
    "mean of {y}, {level:.0%} interval": "{y}的均值及{level:.0%}区间",
    # legends
    "smooth, 95% band": "平滑曲线及95%带",
    "{level:.0%} simultaneous band": "{level:.0%}同时置信带",
    "95% band without correlation": "无相关时的95%带",
    "{level:.0%} of modes, as expected": "预期{level:.0%}的条件众数",
    "{level:.0%} of random effects": "{level:.0%}的随机效应",
    "{title}, independent in the model": "{title}，模型中相互独立",
    "normal of the same spread": "同方差的正态分布",
    "mean leverage {h:.2g}": "平均杠杆值 {h:.2g}",
    "mean ± SE": "均值 ± 标准误",
    "{level}: mean ± SE": "{level}：均值 ± 标准误",
    "n = {n}": "n = {n}",
    "{n} levels": "{n}个水平",
    "rows": "行",
    "rows (white: none)": "行数（白色：无）",
    "Hierarchy of {n} rows": "{n}行数据的层次结构",
    "Rows by {groups}": "按{groups}的行数",
    "{title}: {n} in each coloured cell": "{title}：每个有色格{n}行",
    "Not for this model.": "本模型没有此图。",
    "{title}: {verdict}": "{title}：{verdict}",
    "fine": "符合",
    "look": "需关注",
    "violated": "违背",
    "rows per cell of {a} by {b} levels": "每格（{a}×{b}个水平）的行数",
    "{title} (variance estimated as zero)": "{title}（方差估计为零）",
    "{n} draws of a parametric bootstrap": "参数自助法的{n}次抽样",
    "{n} draws of the large-sample normal distribution": "大样本正态分布的{n}次抽样",
    "{n} draws": "{n}次抽样",
    # titles
    "Residuals against fitted values": "残差与拟合值",
    "Residuals against {x}": "残差与{x}",
    "Residuals against leverage": "残差与杠杆值",
    "Residuals by {group}": "各{group}的残差",
    "Residuals by {group} ({count})": "各{group}的残差（{count}）",
    "Residuals in order within {group}": "{group}内按次序的残差",
    "Autocorrelation of residuals within {group}": "{group}内残差的自相关",
    "Distribution of residuals": "残差的分布",
    "Normal quantiles of residuals": "残差的正态分位数图",
    "Spread of residuals": "残差的离散程度",
    "Random effects of {group} along {x} ({count})": "{group}的随机效应随{x}的变化（{count}）",
    "Random effects of {group} ({count})": "{group}的随机效应（{count}）",
    "Random effects of {group}": "{group}的随机效应",
    "Shrinkage of {group} ({count})": "{group}的收缩（{count}）",
    "Marginal means of {y}": "{y}的边际均值",
    "Parts of the variance of {y}": "{y}的方差构成",
    "Checks of {formula}": "模型检查：{formula}",
    "Profile zeta": "剖面ζ",
    "Profile density": "剖面密度",
    "{effect} by {group}": "各{group}的{effect}",
    "{measure} by {group}": "按{group}的{measure}",
    "{y} by {groups}": "各{groups}的{y}",
    "{y} along {x}, a line per {group} ({count})": "{y}随{x}的变化，每条线为一个{group}（{count}）",
    "{y} along {x} by {group} ({count})": "各{group}的{y}随{x}的变化（{count}）",
    "{first} and {second}": "{first}与{second}",
    "{x} and {hue}": "{x}与{hue}",
    "{n} of {all}": "{all}中的{n}",
    "{title}, correlation {r:.2f}": "{title}，相关系数{r:.2f}",
    "{title} ({n} not defined)": "{title}（{n}个无定义）",
    "{title} ({n} beyond the axes)": "{title}（{n}个在坐标范围之外）",
    "{effect} at {where}": "{effect}（{where}处）",
    "{effect} about {where}": "{effect}（以{where}为中心）",
    "{count} {what}": "{count}{what}",
    "parameters": "个参数",
    "pairs": "对",
    "{title} without the intercept": "{title}（不含截距）",
    "{title} (not estimable: {names})": "{title}（不可估计：{names}）",
    "{title} (not drawn: {names})": "{title}（未画出：{names}）",
    "{title} ({count})": "{title}（{count}）",
    "{title} (group= for {names})": "{title}（group=可选{names}）",
    "{title} (variance zero: {names})": "{title}（方差为零：{names}）",
    "{share:.0%} of model samples pass {limit:.3g}": "模型成立时{share:.0%}的样本会超过{limit:.3g}",
    "threshold {limit:.3g}": "阈值 {limit:.3g}",
    "{title} (the {n} largest of {all})": "{title}（{all}个中最大的{n}个）",
    "modes expected of the model": "模型预期的条件众数",
    "modes expected of the model, SD {sd:.3g}": "模型预期的条件众数，标准差{sd:.3g}",
    "random effects: normal": "随机效应：正态分布",
    "random effects: normal, SD {sd:.3g}": "随机效应：正态分布，标准差{sd:.3g}",
    "{effect}: SD {sd:.3g}, of modes {spread:.3g}": "{effect}：标准差{sd:.3g}，众数的标准差{spread:.3g}",
    "Random effects": "随机效应",
}
