"""报告与表格的中文句子。Sentences of reports and tables in Chinese, with the keys of English."""

from __future__ import annotations

from collections.abc import Mapping

SENTENCES: Mapping[str, str] = {
    # ---- 连接
    "comma": "、",
    "semicolon": "；",
    "colon": "：",
    "criterion_reml": "REML准则",
    "criterion_ml": "-2倍对数似然",
    "and": "{first}和{last}",
    "or": "{first}和{last}",
    "and_clauses": "{first}、{last}",
    "and_others": "{names}等（另有{n}个）",
    "interval": "{level} CI为{low}至{high}",
    "interval_signed": "{level} CI为低{low}至高{high}",
    "interval_moves": "{level} CI为下降{low}至上升{high}",
    "interval_ratio": "比值的{level} CI为{low}至{high}",
    "rows": "{n}行",
    "levels": "{n}个水平",
    "higher": "高",
    "lower": "低",
    "rises": "上升",
    "falls": "下降",
    "change": "{direction}{size}",
    "labelled": "{name}：{label}",
    # ---- 标题
    "title": "混合效应模型报告：{y}",
    "contents": "目录",
    "overview": "概要",
    "data": "数据与结构",
    "model": "模型与方法",
    "fixed_effects": "固定效应",
    "random_effects": "随机效应",
    "variance": "方差分量与组内相关系数",
    "convergence": "收敛性",
    "checks": "模型假设检验",
    "limits": "局限性",
    "reproduce": "复现代码",
    "versions": "软件版本",
    # ---- 表格
    "term": "项",
    "estimate": "估计值",
    "std_error": "标准误",
    "interval_head": "{level}置信区间",
    "model_fit": "模型",
    "models_compared": "模型比较",
    "observations": "观测数",
    "levels_of": "{group}的水平数",
    "method": "估计方法",
    "llf": "对数似然",
    "r2_marginal": "边际R²",
    "r2_conditional": "条件R²",
    "icc": "组内相关系数",
    "sd_residual": "残差标准差",
    "sd_label": "标准差 {effect} | {group}",
    "cor_label": "相关系数 {first}, {second} | {group}",
    "note_tests": "自由度与p值：{method}。",
    "note_interval": "方括号内为{level}置信区间。",
    "note_std_error": "圆括号内为标准误。",
    "note_p_value": "圆括号内为p值。",
    "note_uncertified": "模型{which}未通过收敛性验证，其数值不可采信。",
    "note_unidentified": "数据无法识别{terms}的方差{which}。",
    "note_singular": "模型{which}为奇异拟合：有方差为零或相关系数为±1。",
    "note_rows_differ": "各模型所用的观测不同，其对数似然与信息准则不可比较。",
    "note_responses_differ": "各模型的响应变量不同，其对数似然与信息准则不可比较。",
    "note_methods_differ": "REML与ML混用，其对数似然与信息准则不可比较。",
    "note_reml_differ": "采用REML时，固定效应不同的模型，其对数似然与信息准则不可比较。",
    "ddf_satterthwaite": "Satterthwaite法",
    "ddf_kenward-roger": "Kenward-Roger法",
    "ddf_residual": "残差自由度",
    "ddf_normal": "正态分布",
    "ddf_containment": "包含法（containment）",
    "ddf_between-within": "组间-组内法（between-within）",
    "ddf_robust": "按{cluster}聚类的{kind}稳健标准误及其自由度",
    "variable": "变量",
    "kind": "类型",
    "values": "取值",
    "kind_number": "数值",
    "kind_factor": "因子",
    "kind_logical": "逻辑",
    "kind_date": "日期",
    "table_variables": "模型中的变量（仅所用观测）",
    "table_fixed": "固定效应：估计值、{level}置信区间与t检验",
    "table_anova": "固定效应各项的F检验（III型）",
    "table_variance": "方差分量",
    "table_checks": "检验结果",
    "num_df": "分子自由度",
    "den_df": "分母自由度",
    "group": "分组",
    "effect": "效应",
    "variance_head": "方差",
    "sd_head": "标准差",
    "cor_head": "相关系数",
    "residual": "残差",
    "assumption": "假设",
    "test": "检验",
    "verdict": "结论",
    "evidence": "依据",
    "fine": "符合",
    "look": "需关注",
    "violated": "违背",
    # ---- 概要
    "glance": "本报告介绍以{y}为响应变量的线性混合效应模型，所用数据有{rows}，分组因子为{groups}。",
    "glance_group": "{group}（{levels}）",
    "glance_terms": "在0.05水平上，{names}的效应有统计学意义，{others}的效应无统计学意义。",
    "glance_terms_all": "在0.05水平上，{names}的效应有统计学意义。",
    "glance_terms_none": "在0.05水平上，{names}的效应无统计学意义。",
    "glance_estimates": "{scale}估计值及{level}置信区间：{estimates}。",
    "on_scale": "{y}尺度上的",
    "glance_estimate": "{where}{name} {estimate}（{low}至{high}）",
    "glance_interaction": "由于存在交互作用{names}，其中各变量的效应相互依赖，不宜单独解释。",
    "glance_shares": "固定效应解释了总方差的{marginal}，固定效应与随机效应共解释了{conditional}。",
    "glance_random_share": "随机效应解释了总方差的{conditional}。",
    "glance_certified": "模型已收敛，并通过验证。",
    "glance_uncertified": "模型未通过收敛性验证：在通过之前，以下数值不可采信。",
    "glance_unidentified": "已找到准则的极小点，但数据并不能识别所有方差，详见下文。",
    "glance_singular": "拟合是奇异的，详见下文。",
    # ---- 数据
    "data_rows": "分析使用了{rows}数据。响应变量{y}的均值为{mean}，标准差为{sd}，取值范围为{low}至{high}。",
    "data_all": "没有剔除任何观测。",
    "data_dropped": "所给的{given}行中，有{dropped}行因{columns}有缺失值而被剔除。",
    "data_missing": "{column}（{n}个）",
    "data_balanced": "{group}有{levels}，每个水平{rows}。",
    "data_sizes": "{group}有{levels}，每个水平有{low}至{high}（中位数{median}）。",
    "data_singletons": "{group}有{n}个水平只含一行数据，无法提供水平内变异的信息。",
    "data_singleton": "{group}有一个水平只含一行数据，无法提供水平内变异的信息。",
    "data_nested": "{inner}的每个水平只出现在{outer}的一个水平中：{inner}嵌套于{outer}。",
    "data_identical": "{inner}与{outer}对数据的划分完全相同。",
    "data_crossed": "{outer}与{inner}完全交叉：各水平的每种组合都出现。",
    "data_partly_crossed": "{outer}与{inner}部分交叉：{all}种水平组合中出现了{n}种。",
    "data_weights": "各行带有先验权重，范围为{low}至{high}；每行的残差方差等于σ²除以其权重。",
    "data_offset": "模型含偏移项（offset），即均值中已知的部分，其系数固定为1。",
    "values_number": "均值{mean}，标准差{sd}，范围{low}至{high}",
    "values_level": "{level}（{n}）",
    # ---- 模型
    "model_sentence_reml": "线性混合效应模型 {formula} 用mixwell {version}以限制性最大似然法（REML）拟合。",
    "model_sentence_ml": "线性混合效应模型 {formula} 用mixwell {version}以最大似然法（ML）拟合。",
    "model_why_reml": (
        "REML考虑了估计固定效应所占用的自由度；最大似然法未加考虑，往往低估方差。但比较固定效应不同的模型"
        "时，应使用最大似然法。"
    ),
    "model_why_ml": (
        "最大似然法可用于比较固定效应不同的模型，但往往低估方差，组数越少越明显；REML对此作了校正。"
    ),
    "model_fixed": "固定效应部分包括{names}各项。",
    "model_fixed_one": "固定效应部分只有{names}一项。",
    "model_fixed_intercept": "固定效应部分只有截距，即总均值。",
    "model_fixed_none": "模型不含固定效应。",
    "model_random_intercept": (
        "{label}：随机截距，即{group}的每个水平有各自的均值，因为同一水平的数据彼此相似；若视为相互独立，"
        "标准误就会有误。"
    ),
    "model_random_both_one": (
        "{label}：随机截距与随机斜率，即{group}的每个水平有各自的均值和各自的{effects}效应，两者可以相关。"
    ),
    "model_random_both": (
        "{label}：随机截距与随机斜率，即{group}的每个水平有各自的均值和各自的{effects}效应，彼此可以相关。"
    ),
    "model_random_slopes_one": "{label}：随机斜率，即{effects}的效应在{group}的各水平间不同。",
    "model_random_slopes": "{label}：随机斜率，即{effects}的效应在{group}的各水平间不同。",
    "model_independent": "{group}的随机效应分在几项中，各项之间设为互不相关。",
    "model_reference": "因子以参照水平为基准：{pairs}。",
    "model_reference_pair": "{factor}以{level}为参照",
    "model_coding": "因子{factor}采用{kind}对比编码，其系数不是与参照水平之差。",
    "model_coding_matrix": "因子{factor}采用自定义的对比矩阵编码，其系数不是与参照水平之差。",
    "model_log": (
        "响应变量以{y}进入模型。该尺度上的差对应于{what}之比，下文以比值表述单个变量的效应；其余数值均在{y}"
        "的尺度上。"
    ),
    "model_log_of": (
        "响应变量以{y}进入模型。该尺度上的差对应于{what}之比，而非{quantity}之比，下文以此比值表述单个变量"
        "的效应；其余数值均在{y}的尺度上。"
    ),
    "model_transform": "响应变量以{y}进入模型，所有效应均在此尺度上。",
    "model_aliased": "{names}各列是其他列的线性组合，已被剔除，其效应无法识别。",
    "model_aliased_one": "{names}列是其他列的线性组合，已被剔除，其效应无法识别。",
    "model_tests": "固定效应的检验与{level}置信区间（CI）采用t分布与F分布，自由度由Satterthwaite法近似。",
    "model_profile": "标准差与相关系数的{level}置信区间由剖面似然（ML）得出，不必关于估计值对称。",
    "model_equation": "模型方程如下，其中i为行号，方差取估计值：",
    "model_estimated": "总体均值的估计方程：",
    # ---- 固定效应
    "where": "当{conditions}时，",
    "at_level": "{factor}为{level}",
    "at_zero": "{variable}为0",
    "level_named": "{factor}为{level}时",
    "open": "；数据尚不能确定其方向",
    "stats": "{interval}，{p}",
    "fixed_reading": "逐一解释如下，其他变量保持不变：",
    "fixed_mean": "{name}：当{conditions}时，{y}的均值为{estimate}（{interval}）。",
    "fixed_mean_overall": "{name}：{y}的均值为{estimate}（{interval}）。",
    "fixed_constant": (
        "{name}：模型的常数项为{estimate}（{interval}）；在所选编码下，它不是自变量取某一值时的均值。"
    ),
    "fixed_slope": "{name}：{where}{variable}每增加一个单位，{y}的均值{moves}{size}（{stats}）{open}。",
    "fixed_slope_log": (
        "{name}：{where}{variable}每增加一个单位，{what}变为原来的{ratio}倍，即{change}（{stats}）{open}。"
    ),
    "fixed_slope_log_of": (
        "{name}：{where}{variable}每增加一个单位，{what}变为原来的{ratio}倍（{stats}）{open}。"
    ),
    "fixed_level": "{name}：{where}{factor}为{level}时{y}的均值比{base}{direction}{size}（{stats}）{open}。",
    "fixed_level_log": (
        "{name}：{where}{factor}为{level}时的{what}是{base}的{ratio}倍，即{change}（{stats}）{open}。"
    ),
    "fixed_level_log_of": "{name}：{where}{factor}为{level}时的{what}是{base}的{ratio}倍（{stats}）{open}。",
    "fixed_carried": (
        "{where}{held}换算为{quantity}：{level}为{estimate}，{base}为{estimate2}，即前者{change}。"
    ),
    "held": "其余变量取平均，",
    "fixed_deviation": (
        "{name}：{where}{factor}为{level}时{y}的均值比{factor}各水平的平均"
        "{direction}{size}（{stats}）{open}。"
    ),
    "fixed_levels_pair": (
        "{name}：{where}{factor2}为{level2}时，{factor}的{level}与{base}的{y}均值之差（前者减后者）比"
        "{base2}{direction}{size}（{stats}）{open}。"
    ),
    "fixed_slope_pair": (
        "{name}：{where}{factor}为{level}时{variable}的斜率比{base}{direction}{size}（{stats}）{open}。"
    ),
    "fixed_slope_in": (
        "{name}：{where}{factor}为{level}时，{variable}每增加一个单位，{y}的均值{moves}{size}（{stats}）"
        "{open}。"
    ),
    "fixed_slopes_pair": (
        "{name}：{where}{variable2}每增加一个单位，{variable}的斜率{moves}{size}（{stats}）{open}。"
    ),
    "fixed_curve": (
        "{names}：这些系数共同描述{y}随{variable}变化的曲线，单个系数没有直接含义，请看整体检验与图。"
    ),
    "fixed_curve_one": "{name}：描述随{variable}变化的曲线的一部分，单独没有直接含义，请看图。",
    "fixed_part": (
        "{name}：属于{variables}的交互作用，宜通过边际均值解释；{where}估计值为{estimate}（{stats}）{open}。"
    ),
    "fixed_other": "{name}：{where}估计值为{estimate}（{stats}）{open}。",
    "fixed_untested": "{name}：估计值为{estimate}，其标准误无法计算。",
    "fixed_many": "系数共有{n}个，不逐一解释；请看各项的检验与图。",
    "fixed_absent": "模型不含固定效应。",
    "anova_clear": "按整项检验，在0.05水平上有统计学意义的有{names}。",
    "anova_unclear": "{names}无统计学意义，但这并不证明没有效应。",
    "anova_unclear_all": "按整项检验，{names}在0.05水平上无统计学意义，但这并不证明没有效应。",
    "anova_single": (
        "但{terms}中有单个系数（{names}）的p值小于0.05：这样的p值只针对某一比较，或其他变量取某一值时的情形"
        "，而非整项。"
    ),
    "anova_term": "{term}（F({num_df}, {den_df}) = {f}，{p}）",
    "anova_means": (
        "模型没有截距，{terms}的系数是各水平的均值；其检验针对均值是否全为0，而非各水平间是否有差异。"
    ),
    "anova_at_zero": "{terms}与数值变量有交互作用，其检验针对{conditions}时的情形。",
    "anova_averaged": (
        "与因子有交互作用的项，其检验针对该因子各水平的平均；交互作用较强时，这种检验意义不大。"
    ),
    "r2": "固定效应解释了总方差的{marginal}（边际R²），固定效应与随机效应共解释了{conditional}（条件R²）。",
    "r2_random": "模型没有自变量；随机效应解释了总方差的{conditional}（条件R²）。",
    # ---- 方差分量
    "sd_interval": "（{interval}）",
    "var_intercept": (
        "随机截距：{where}{group}各水平的均值的标准差为{sd}{interval}，约95%的水平与模型其余部分给出的均"
        "值之差在{half}以内。"
    ),
    "var_slope": (
        "随机斜率：{effect}的效应在{group}各水平间的标准差为{sd}{interval}；{where}平均效应为{mean}，约"
        "95%的水平的效应在{low}与{high}之间。"
    ),
    "var_slope_signs": "该范围包含0：按此模型，有些水平的效应为正，有些为负。",
    "var_slope_centred": (
        "随机斜率：{effect}没有对应的固定效应，其效应在{group}各水平间的标准差为{sd}{interval}。"
    ),
    "var_effect_zero": "{effect}在{group}各水平间的标准差估计为零{interval}。",
    "var_residual": "给定上述各效应，残差标准差为{sd}{interval}。",
    "var_residual_weights": "给定上述各效应，权重为1的行的残差标准差为{sd}{interval}。",
    "var_excludes": "{effect}在{group}各水平间的标准差的置信区间下限为0：数据不能排除各水平间没有差异。",
    "cor_none": "{first}与{second}在{group}各水平间的相关系数没有定义，因为其一没有变异。",
    "cor": "{first}与{second}在{group}各水平间的相关系数估计为{r}{interval}。",
    "cor_weak": "两者几乎不相关。",
    "cor_positive": "前者较高的水平，后者往往也较高。",
    "cor_negative": "前者较高的水平，后者往往较低。",
    "cor_perfect": (
        "{first}与{second}在{group}各水平间完全相关（{r}）：一个是另一个的线性函数，拟合是奇异的。"
    ),
    "cor_open": "区间包含0，数据尚不能确定其正负。",
    "cor_fan_out": "从{effect} = 0起，各水平的直线逐渐散开。",
    "cor_fan_in": "从{effect} = 0起，各水平的直线起初逐渐靠拢。",
    "cor_zero_point": "与截距的相关取决于{effect}的零点位置；中心化会改变这一相关系数，但不改变模型本身。",
    "cor_many": "{group}有{n}个相关系数，见表。",
    "icc_one": (
        "组内相关系数（ICC）为{icc}：即给定固定效应后{group}同一水平的两行数据之间的相关，也是{group}在固"
        "定效应以外的方差中所占的比例。"
    ),
    "icc_slopes": (
        "对各行平均而言，随机效应占固定效应以外方差的{share}（ICC为{icc}）；含随机斜率时，两行数据的相关"
        "取决于其自变量的取值。"
    ),
    "icc_several": "在固定效应以外的方差中，随机效应占{share}（ICC为{icc}）：{parts}。",
    "icc_part": "{group}占{share}",
    "icc_zero": "组内相关系数为0：给定固定效应后，同组数据的相似程度估计并不高于不同组的数据。",
    # ---- 收敛性
    "evaluation": "1次",
    "evaluations": "{n}次",
    "conv_certified": (
        "{criterion}为{value}，共求值{evaluations}。最优解已通过验证：由精确导数可知它是局部极小点，由此出发"
        "的任何一步都不能使准则再降低约{gap}以上。"
    ),
    "start": "从另1个初值的搜索",
    "starts": "从另外{n}个初值的搜索",
    "trial": "1次试算",
    "trials": "{n}次试算",
    "conv_starts": "它是否为全局最低无法证明；{looked}均未发现更低的准则。",
    "conv_failed": (
        "{criterion}为{value}，共求值{evaluations}，但未通过收敛性验证：{reason}，准则可能偏高{gap}。估计"
        "值不可采信。"
    ),
    "conv_reached": "{criterion}为{value}，共求值{evaluations}；由精确导数可知此处是极小点。",
    "conv_unidentified_short": "数据无法识别{terms}",
    "conv_flat": "数据几乎无法识别{terms}的方差：这些方差改变一半，准则几乎不变，因此不应解释其估计值。",
    "conv_by_design": "数据无法识别{terms}的方差：最大似然仅凭设计确定其取值，与响应变量无关。",
    "conv_split": (
        "数据无法识别协方差应如何拆分：可以去掉{terms}，这些方差的估计值只是拟合同样好的多种取值之一；"
        "固定效应及其标准误不受影响。"
    ),
    "conv_held": "由于数据无法识别其方差，{terms}固定为零。",
    "conv_taken_up": (
        "固定效应{fixed}已包含同样的效应，其标准误与检验只适用于这些组本身，不能推广到同类的其他组。"
    ),
    "conv_gradient": "梯度不为零",
    "conv_boundary": "离开奇异的协方差矩阵即可降低准则",
    "conv_negative_curvature": "该点是鞍点",
    "conv_rounding": "准则的舍入误差掩盖了它的极小点",
    "conv_other": "条件{code}不成立",
    "conv_try": (
        "请检查是否有数据无法区分的效应，简化随机效应部分，或以control=Control(starts=50)尝试更多初值。"
    ),
    "conv_far": (
        "组间效应远大于误差，双精度无法同时容纳两者：请将如此大的效应作为固定效应，或检查数据中是否有应由固定"
        "部分解释的效应。"
    ),
    "conv_regular": "随机效应的协方差矩阵均非奇异。",
    "sing_intro": "拟合是奇异的：{phrases}。",
    "sing_optimum": "准则在此处最低，并非计算失败：向任何方向偏离都会使拟合变差。",
    "sing_zero": "{label}中{effect}的方差为零",
    "sing_all": "{label}中所有方差均为零",
    "sing_correlation": "{label}中{first}与{second}的相关系数为{r}，因为{combination}没有变异",
    "sing_combinations": "{label}中{combinations}没有变异",
    "sing_combination": "{label}中{combinations}没有变异",
    "sing_rank": "{label}的{k}阶协方差矩阵的秩为{rank}",
    "sing_drop": "去掉该效应后，模型的准则不变。",
    "sing_simplify": "随机效应多于数据所能区分的数目；减少随机效应或令其相互独立（||）也许同样适用。",
    "the_intercept": "截距",
    # ---- 检验
    "checks_none": "未检验模型假设。",
    "checks_fine": "{n}项模型假设检验均符合。",
    "checks_count": "共作{n}项模型假设检验：{fine}项符合，{look}项需关注，{violated}项违背。",
    "check_look": "{assumption}：需关注（{test}，{evidence}）。",
    "check_violated": "{assumption}：违背（{test}，{evidence}）。",
    "check_remedy": "可采取的措施：{remedy}",
    "check_gap": "准则与极小值相差不超过{gap}",
    "checks_skipped": "在此模型中不能或无需进行的检验：{names}。",
    "checks_caveat": "数据少时这类检验会漏掉许多问题，数据多时又会标出无关紧要的偏离；偏离的程度请看图。",
    # ---- 局限性
    "limit_uncertified": "最优解未通过验证；在通过之前，这里的任何结果都不应报告。",
    "limit_unidentified": "数据无法识别{terms}，对其方差不能作任何推断。",
    "limit_singular": "拟合是奇异的；固定效应的区间与检验把估计为零的方差视为已知为零。",
    "limit_few": "{group}只有{n}个水平：其方差难以准确估计，水平间效应的检验自由度也很少。",
    "limit_missing": "含缺失值的行已被剔除；除非给定自变量后缺失与响应变量无关，否则结果有偏。",
    "limit_aliased": "被剔除各列的效应无法与保留各列的效应区分。",
    "limit_extrapolated": "截距是{conditions}时的均值，超出了数据范围；它本身并不描述任何观测。",
    "limit_log": "由对数尺度换算回来的均值是几何均值，而非算术均值。",
    "limit_carried": "由{y}尺度换算回来的均值不是{quantity}的算术均值；若该尺度上的误差对称，则为中位数。",
    "limit_violated": "置信区间与p值以模型假设为前提，其中以下各项的检验结论为违背：{names}。",
    "limit_approximate": "Satterthwaite自由度是近似值，组数少时最不可靠。",
    "limit_ml": "最大似然法往往低估方差，固定效应的置信区间也因而偏窄。",
    "limit_many": "{n}个系数的检验未作多重比较校正；出现若干较小的p值可能只是偶然。",
    "limit_cause": "模型描述的是关联；效应是否为因果取决于数据的来源与设计，而非模型。",
    # ---- 复现
    "code_data": "所分析的数据框",
    "code_weights": "先验权重，每行一个",
    "code_offset": "偏移项，每行一个",
    # ---- 图
    "fig_alt": "{caption}横轴：{x}；纵轴：{y}。",
    "fig_names": "名称",
    "fig_data": "数据：{y}的箱线图与散点。",
    "fig_spaghetti": "数据：{y}随{x}的变化，{group}的每个水平一条线。",
    "fig_trajectories": "沿{x}的观测点、总体直线及其置信带，以及{group}各水平的线。",
    "fig_effects": "{y}的边际均值及{level}置信区间。",
    "fig_coefficients": "固定效应及{level}置信区间。",
    "fig_variance": "{y}的方差构成。",
    "fig_random_effects": "{group}的随机效应（已排序）及{level}区间。",
    "fig_intercept_slope": "{group}的随机效应两两对照及估计的椭圆。",
    "fig_residuals": "残差与{y}的拟合值；平滑曲线应接近零。",
    "fig_qq": "残差的正态Q-Q图；各点应在带内。各行以数据中的标签或位置（从0数起）标出。",
    "fig_scale_location": "残差的离散程度与拟合值；平滑曲线应保持水平。",
    "fig_residuals_by_group": "按{group}分组的残差。",
    "fig_qq_random": "{group}的随机效应的正态Q-Q图。",
    "fig_acf": "{group}内残差的自相关。",
    "fig_cooks": (
        "每一行的Cook距离，及若模型成立其最大值仅在5%的样本中超过的界限。"
        "各行以数据中的标签或位置（从0数起）标出。"
    ),
    "figure": "图{n}",
    "made_with": "由mixwell {version}生成。",
}
