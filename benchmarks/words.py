"""Numbers, targets and verdicts in words; English for the terminal, English and Chinese for pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.cases import Case, Faster, PeakDense, PeakFrames, ShareOfFit, Target, Within
from benchmarks.results import CaseResult, Difference, Ratio, Result
from benchmarks.verdicts import Verdict


def duration(seconds: float | None) -> str:
    """Three digits, with the unit: 3.47 ms, 12.3 s.

    >>> duration(0.0034712), duration(12.34), duration(3.1e-5), duration(None)
    ('3.47 ms', '12.3 s', '31 µs', '-')
    """
    if seconds is None:
        return "-"
    if seconds < 1e-3:
        return f"{seconds * 1e6:.3g} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 1000 else f"{seconds:.0f} s"


def time_of(result: Result) -> str:
    """Median time of one unit; ``> 400 s`` for a run that was stopped.

    >>> time_of(Result("R", stopped_after=400.0)), time_of(Result("R", draws=100, seconds=[0.5, 0.7, 0.6]))
    ('> 400 s', '6 ms')
    """
    if result.per_draw is None and result.stopped_after is not None:
        return f"> {duration(result.stopped_after / result.draws)}"
    return duration(result.per_draw)


def times(ratio: Ratio | None) -> str:
    """
    >>> times(Ratio(11.43)), times(Ratio(400.0, at_least=True)), times(None)
    ('11.4x', '> 400x', '-')
    """
    if ratio is None:
        return "-"
    return f"{'> ' if ratio.at_least else ''}{plain(ratio.value)}x"


def plain(value: float) -> str:
    """Three digits without an exponent for what is compared with 1.

    >>> plain(1234.5), plain(0.0123), plain(5.0)
    ('1234', '0.0123', '5')
    """
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def megabytes(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def closeness(apart: Difference | None) -> str:
    """
    >>> closeness(Difference("df", 3.2e-7, 1e-3)), closeness(Difference("df", 0.9, 1e-3)), closeness(None)
    ('3.2e-07 (df)', '9.0e-01 (df) DIFFERS', '-')
    """
    if apart is None:
        return "-"
    return f"{apart.value:.1e} ({apart.quantity}){'' if apart.agrees else ' DIFFERS'}"


def name_of(result: Result) -> str:
    """The peer, with the package where R did it."""
    return result.peer if result.package in ("", result.peer) else f"{result.peer} ({result.package})"


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language.

    Attributes
    ----------
    titles
        Case -> its title.
    faster, no_slower, within, share_of_fit, peak_frames, peak_dense
        A target; ``{}`` is its number, ``{peer}`` the peer.
    met, missed, undecided, unmeasured, agrees, differs
        Verdicts.
    machine, comma
        A sentence on machine and versions; what stands between two of them.
    heads
        Column -> its heading.
    per
        Unit -> how a time of one unit is marked.
    """

    titles: Mapping[str, str]
    faster: str
    no_slower: str
    within: str
    share_of_fit: str
    peak_frames: str
    peak_dense: str
    met: str
    missed: str
    undecided: str
    unmeasured: str
    agrees: str
    differs: str
    machine: str
    comma: str
    heads: Mapping[str, str]
    per: Mapping[str, str]

    def title(self, case: Case) -> str:
        unit = case.definition.unit
        return self.titles[case.name] + (f", {self.per[unit]}" if unit else "")

    def target(self, target: Target) -> str:
        match target:
            case Faster(peer, 1):
                return self.no_slower.format(peer=peer)
            case Faster(peer, factor):
                return self.faster.format(plain(factor), peer=peer)
            case Within(seconds):
                return self.within.format(duration(seconds))
            case ShareOfFit(share):
                return self.share_of_fit.format(plain(share))
            case PeakFrames(factor):
                return self.peak_frames.format(plain(factor))
            case PeakDense(share):
                return self.peak_dense.format(plain(share))

    def verdict(self, verdict: Verdict) -> str:
        if verdict.value is None:
            return self.unmeasured
        return {True: self.met, False: self.missed, None: self.undecided}[verdict.met]


def value_of(verdict: Verdict) -> str:
    """What was measured, in the target's unit."""
    if verdict.value is None:
        return "-"
    if isinstance(verdict.target, Within):
        return f"{'> ' if verdict.at_least else ''}{duration(verdict.value)}"
    if isinstance(verdict.target, Faster):
        return times(Ratio(verdict.value, verdict.at_least))
    return plain(verdict.value)


def size(found: CaseResult) -> str:
    """Rows and levels: ``10,000 x 250``."""
    return f"{found.rows:,} x {found.levels:,}"


ENGLISH = Words(
    titles={
        "sleepstudy": "sleepstudy `(Days | Subject)`",
        "penicillin": "Penicillin, two crossed factors",
        "process": "new process: import, read, fit sleepstudy, summary",
        "chem97": "Chem97, 31,022 pupils, slopes in schools in areas",
        "insteval": "InstEval, 73,421 ratings, students x lecturers",
        "insteval-dept": "the same with departments x service",
        "maximal": "60 subjects x 80 items, 20 covariance parameters",
        "maximal-singular": "the same, singular optimum",
        "million-slopes": "1,000,000 rows, 100,000 groups `(x | g)`",
        "million-crossed": "1,000,000 rows, 50,000 users x 5,000 items",
        "summary": "summary with Satterthwaite's df, 1,000,000 rows, 100,000 groups `(x | g)`",
        "kenward-roger": "Kenward-Roger, 50,000 rows, 500 groups, `a * b * c + (1 | s)`",
        "kenward-roger-crossed": "Kenward-Roger, 10,000 rows, 100 x 150 levels crossed",
        "kenward-roger-small": "Kenward-Roger, 600 rows, 20 x 30 levels crossed",
        "bootstrap": "parametric bootstrap, sleepstudy `(Days | Subject)`",
        "profile": "profile of all 6 parameters, sleepstudy",
        "emmeans": "pairwise marginal means with Kenward-Roger, rat pups",
        "influence": "each subject left out in turn, sleepstudy",
        "check": "every check, 100,000 rows, 1,000 groups `(x | g)`",
    },
    faster="{}x {peer}",
    no_slower="no slower than {peer}",
    within="{} at most",
    share_of_fit="{} of the fit's time at most",
    peak_frames="peak memory {} frames at most",
    peak_dense="peak memory {} of a dense Z at most",
    met="met",
    missed="missed",
    undecided="not decided",
    unmeasured="not measured",
    agrees="agrees",
    differs="differs",
    machine="{processor}, {cores} cores, {threads} threads for each package; {system}, Python {python}; "
    "{versions}.",
    comma=", ",
    heads={
        "case": "case",
        "asked": "must show",
        "measured": "measured",
        "verdict": "verdict",
        "size": "rows x levels",
        "frame": "frame, MB",
        "peer": "compared with",
        "quantity": "furthest quantity",
        "apart": "largest relative difference",
        "allowed": "allowed",
    },
    per={"refit": "per refit"},
)

CHINESE = Words(
    titles={
        "sleepstudy": "sleepstudy `(Days | Subject)`",
        "penicillin": "Penicillin，两个交叉因子",
        "process": "新进程：导入、读数据、拟合 sleepstudy、打印摘要",
        "chem97": "Chem97，31,022 名学生，学校斜率，地区截距",
        "insteval": "InstEval，73,421 条评分，学生 x 教师",
        "insteval-dept": "同上，另加院系 x 服务",
        "maximal": "60 名被试 x 80 个项目，20 个协方差参数",
        "maximal-singular": "同上，最优点奇异",
        "million-slopes": "1,000,000 行，100,000 组 `(x | g)`",
        "million-crossed": "1,000,000 行，50,000 名用户 x 5,000 件物品",
        "summary": "摘要，Satterthwaite 自由度，1,000,000 行，100,000 组 `(x | g)`",
        "kenward-roger": "Kenward-Roger，50,000 行，500 组，`a * b * c + (1 | s)`",
        "kenward-roger-crossed": "Kenward-Roger，10,000 行，100 x 150 个水平交叉",
        "kenward-roger-small": "Kenward-Roger，600 行，20 x 30 个水平交叉",
        "bootstrap": "参数自助法，sleepstudy `(Days | Subject)`",
        "profile": "全部 6 个参数的剖面似然，sleepstudy",
        "emmeans": "边际均值两两比较，Kenward-Roger，大鼠幼崽",
        "influence": "逐个删除被试，sleepstudy",
        "check": "全部检查，100,000 行，1,000 组 `(x | g)`",
    },
    faster="速度至少是 {peer} 的 {} 倍",
    no_slower="不慢于 {peer}",
    within="不超过 {}",
    share_of_fit="不超过拟合时间的 {}",
    peak_frames="内存峰值不超过数据的 {} 倍",
    peak_dense="内存峰值不超过稠密 Z 的 {}",
    met="达到",
    missed="未达到",
    undecided="未能判定",
    unmeasured="未测量",
    agrees="一致",
    differs="不一致",
    machine="{processor}，{cores} 核，每个软件包 {threads} 个线程；{system}，Python {python}；{versions}。",
    comma="、",
    heads={
        "case": "项目",
        "asked": "要求",
        "measured": "实测",
        "verdict": "结论",
        "size": "行数 x 水平数",
        "frame": "数据，MB",
        "peer": "对照",
        "quantity": "差别最大的量",
        "apart": "最大相对差",
        "allowed": "容许",
    },
    per={"refit": "每次重新拟合"},
)

WORDS: Mapping[str, Words] = {"en": ENGLISH, "zh": CHINESE}
