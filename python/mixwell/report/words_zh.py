"""报告与表格的中文句子。Sentences of reports and tables in Chinese, with the keys of English."""

from __future__ import annotations

from collections.abc import Mapping

SENTENCES: Mapping[str, str] = {
    # ---- 连接
    "comma": "、",
    "colon": "：",
    "criterion_reml": "REML准则",
    "criterion_ml": "-2倍对数似然",
    "and": "{first}和{last}",
    "and_clauses": "{first}、{last}",
    "and_others": "{names}等（另有{n}个）",
    "interval": "{level}区间为{low}至{high}",
    "rows": "{n}行",
    "levels": "{n}个水平",
    # ---- 标题
    "title": "混合模型报告：{y}",
    "contents": "目录",
    "overview": "概要",
    "data": "数据与结构",
    "model": "模型与方法",
    "fixed_effects": "固定效应",
    "random_effects": "随机效应",
    "variance": "方差成分与组内相关",
    "convergence": "收敛情况",
    "checks": "假设的检查",
    "limits": "局限",
    "reproduce": "重现方法",
    "versions": "版本",
    # ---- 表格
    "term": "项",
    "estimate": "估计值",
    "std_error": "标准误",
    "interval_head": "{level}区间",
    "model_fit": "模型",
    "models_compared": "模型比较",
    "observations": "行数",
    "levels_of": "{group}的水平数",
    "method": "方法",
    "llf": "对数似然",
    "r2_marginal": "边际R²",
    "r2_conditional": "条件R²",
    "icc": "组内相关ICC",
    "sd_residual": "残差标准差",
    "sd_label": "标准差 {effect} | {group}",
    "cor_label": "相关 {first}, {second} | {group}",
    "note_tests": "自由度与p值：{method}。",
    "note_interval": "方括号内为{level}区间。",
    "note_std_error": "圆括号内为标准误。",
    "note_p_value": "圆括号内为p值。",
    "note_uncertified": "拟合{which}未获收敛证书，其数值不可采信。",
    "note_singular": "拟合{which}是奇异的：有方差为零或相关系数为±1。",
    "note_rows_differ": "各模型所用的行不同，其准则不可比较。",
    "note_responses_differ": "各模型的响应变量不同，其准则不可比较。",
    "note_methods_differ": "REML与ML混用，其准则不可比较。",
    "note_reml_differ": "在REML下，固定部分不同的模型不可比较准则。",
    "ddf_satterthwaite": "Satterthwaite法",
    "ddf_kenward-roger": "Kenward-Roger法",
    "ddf_residual": "残差自由度",
    "ddf_normal": "正态分布",
    "ddf_containment": "包含法",
    "ddf_between-within": "组间-组内法",
    "variable": "变量",
    "kind": "类型",
    "values": "取值",
    "kind_number": "数值",
    "kind_factor": "因子",
    "kind_logical": "是非",
    "kind_date": "日期",
    "table_variables": "模型中的变量（仅所用的行）",
    "table_fixed": "固定效应：估计值、{level}区间与t检验",
    "table_anova": "固定部分各项：F检验（III型）",
    "table_variance": "方差成分",
    "table_checks": "检查结果",
    "num_df": "自由度",
    "den_df": "分母自由度",
    "group": "分组",
    "effect": "效应",
    "variance_head": "方差",
    "sd_head": "标准差",
    "cor_head": "相关",
    "residual": "残差",
    "assumption": "假设",
    "test": "检验",
    "verdict": "结论",
    "evidence": "依据",
    "fine": "符合",
    "look": "留意",
    "violated": "违背",
    # ---- 概要
    "glance": "本报告介绍{y}的线性混合模型，所用数据有{rows}，分组为{groups}。",
    "glance_group": "{group}（{levels}）",
    "glance_terms": "固定部分各项中，在5%水平上能与零区分的有{names}。",
    "glance_terms_all": "固定部分的各项（{names}）在5%水平上都能与零区分。",
    "glance_terms_none": "固定部分的各项（{names}）在5%水平上都不能与零区分。",
    "glance_shares": "固定效应解释了{marginal}的方差，固定效应与随机效应共解释了{conditional}。",
    "glance_certified": "最优点已获证书。",
    "glance_uncertified": "最优点未获证书：在此之前，以下数值不可采信。",
    "glance_singular": "拟合是奇异的，详见下文。",
    "glance_checks_fine": "{n}项假设检查全部符合。",
    "glance_checks": "在{n}项假设检查中，{fine}项符合，{look}项需留意，{violated}项违背。",
    # ---- 数据
    "data_rows": "分析使用了{rows}。响应变量{y}的均值为{mean}，标准差为{sd}，取值从{low}到{high}。",
    "data_all": "没有舍弃任何一行。",
    "data_dropped": "所给的{given}行中，有{dropped}行因{columns}缺失而被舍弃。",
    "data_missing": "{column}（{n}个）",
    "data_balanced": "{group}有{levels}，每个水平{rows}。",
    "data_sizes": "{group}有{levels}，每个水平有{low}至{high}（中位数{median}）。",
    "data_singletons": "{group}有{n}个水平只有一行，它们不能提供水平内离散程度的信息。",
    "data_singleton": "{group}有一个水平只有一行，它不能提供水平内离散程度的信息。",
    "data_nested": "{inner}的每个水平只与{outer}的一个水平同时出现：{inner}嵌套于{outer}。",
    "data_identical": "{inner}与{outer}对行的划分相同。",
    "data_crossed": "{outer}与{inner}完全交叉：水平的每种组合都出现。",
    "data_partly_crossed": "{outer}与{inner}部分交叉：{all}种水平组合中出现了{n}种。",
    "data_weights": "各行有先验权重，从{low}到{high}；某行的残差方差等于σ²除以其权重。",
    "data_offset": "模型含偏移量，即均值中已知的部分，其系数为1。",
    "values_number": "均值{mean}，标准差{sd}，{low}至{high}",
    "values_level": "{level}（{n}）",
    # ---- 模型
    "model_sentence_reml": "线性混合模型 {formula} 由mixwell {version}以限制最大似然法（REML）拟合。",
    "model_sentence_ml": "线性混合模型 {formula} 由mixwell {version}以最大似然法（ML）拟合。",
    "model_why_reml": (
        "REML考虑了固定效应也是估计所得，因而不会低估方差；但比较固定部分不同的模型时需用最大似然法。"
    ),
    "model_why_ml": "最大似然法可用于比较固定部分不同的模型，但组数较少时会略为低估方差，而REML不会。",
    "model_fixed": "固定部分包括{names}各项。",
    "model_fixed_one": "固定部分只有{names}一项。",
    "model_fixed_intercept": "固定部分只有截距，即总均值。",
    "model_fixed_none": "模型没有固定效应。",
    "model_random_intercept": (
        "{label}：{group}的每个水平有各自的均值，因为同一水平的行彼此相似；若视为独立，标准误就会有误。"
    ),
    "model_random_both": "{label}：{group}的每个水平有各自的均值和各自的{effects}效应，两者可以相关。",
    "model_random_slopes": "{label}：{effects}的效应在{group}的各水平间不同。",
    "model_independent": "{group}的随机效应分在几项中，各项之间视为不相关。",
    "model_reference": "因子与参照水平相比：{pairs}。",
    "model_reference_pair": "{factor}以{level}为参照",
    "model_coding": "因子{factor}采用{kind}对比编码，其系数不是与参照水平之差。",
    "model_coding_matrix": "因子{factor}采用自定的对比矩阵编码，其系数不是与参照水平之差。",
    "model_log": "响应变量以{y}进入模型。该尺度上的差就是响应的比，下文也以比来表述。",
    "model_transform": "响应变量以{y}进入模型，所有效应均在此尺度上。",
    "model_aliased": "{names}各列是其他列的线性组合，已被舍弃，它们所要度量的内容无法识别。",
    "model_aliased_one": "{names}列是其他列的线性组合，已被舍弃，它所要度量的内容无法识别。",
    "model_tests": "固定效应的检验与区间采用t分布，自由度由Satterthwaite法得出。",
    "model_profile": "方差参数的区间由剖面似然（ML）得出。",
    "model_equation": "模型写成方程如下，其中i为行号，方差为估计值：",
    "model_estimated": "对所有组而言的均值估计为：",
    # ---- 固定效应
    "where": "（在{conditions}处）",
    "at_level": "{factor}为{level}",
    "at_zero": "{variable}为0",
    "open": "；区间包含0，数据不能确定其正负",
    "open_ratio": "；区间包含1，数据不能确定其方向",
    "stats": "{interval}，{p}",
    "fixed_intercept": "{name}：{y}的均值{where}为{estimate}（{stats}）。",
    "fixed_intercept_coded": "{name}：在所选编码下，模型的常数项为{estimate}（{stats}）。",
    "fixed_slope": "{name}：{variable}每增加一个单位，{y}的变化{where}为{estimate}（{stats}）{open}。",
    "fixed_slope_log": (
        "{name}：{variable}每增加一个单位，响应{where}变为原来的{ratio}倍（{interval}，{p}），即变化"
        "{change}{open}。"
    ),
    "fixed_level": "{name}：{factor}为{level}时的{y}与{base}之差{where}为{estimate}（{stats}）{open}。",
    "fixed_level_log": (
        "{name}：{factor}为{level}时的响应{where}是{base}的{ratio}倍（{interval}，{p}），即相差"
        "{change}{open}。"
    ),
    "fixed_mean": "{name}：{factor}为{level}时{y}的均值{where}为{estimate}（{stats}）。",
    "fixed_deviation": (
        "{name}：{factor}为{level}时的{y}与{factor}各水平平均值之差{where}为{estimate}（{stats}）{open}。"
    ),
    "fixed_levels_pair": (
        "{name}：{factor}的{level}与{base}之差，在{factor2}为{level2}时比在{base2}时多{estimate}"
        "{where}（{stats}）{open}。"
    ),
    "fixed_slope_pair": (
        "{name}：{factor}为{level}时{variable}的斜率与{base}之差{where}为{estimate}（{stats}）{open}。"
    ),
    "fixed_slope_in": (
        "{name}：{factor}为{level}时，{variable}每增加一个单位，{y}的变化{where}为{estimate}（{stats}"
        "）{open}。"
    ),
    "fixed_slopes_pair": (
        "{name}：{variable2}每增加一个单位，{variable}的斜率的变化{where}为{estimate}（{stats}）{open}。"
    ),
    "fixed_basis": (
        "{name}为{estimate}（{stats}）；它只是{variable}的若干列之一，单独没有含义，请看整项的检验与图。"
    ),
    "fixed_other": "{name}为{estimate}（{stats}）{open}。",
    "fixed_untested": "{name}为{estimate}，其标准误没有定义。",
    "fixed_many": "系数共有{n}个，不逐一叙述；各项的检验表与图说明何者重要。",
    "fixed_absent": "没有固定效应可叙述。",
    "anova_clear": "以整项而论，检验在5%水平上能将{names}与零区分。",
    "anova_unclear": "检验不能将{names}与零区分；这并不证明没有效应。",
    "anova_unclear_all": "以整项而论，没有检验能在5%水平上将{names}与零区分；这并不证明没有效应。",
    "anova_term": "{term}（F({num_df}, {den_df}) = {f}，{p}）",
    "anova_contained": (
        "含于交互作用中的项，其检验比较的是对其他因子各水平平均后的均值；交互作用强时意义不大。"
    ),
    "r2": "固定效应解释了{marginal}的方差（边际R²），固定效应与随机效应共解释了{conditional}（条件R²）。",
    # ---- 方差成分
    "sd_interval": "（{interval}）",
    "var_intercept": (
        "{group}各水平的均值{where}的标准差为{sd}{interval}：约95%的水平与总体均值之差在{half}以内。"
    ),
    "var_slope": (
        "{effect}的效应在{group}各水平间的标准差为{sd}{interval}：总体效应为{mean}，约95%的水平的效应"
        "在{low}与{high}之间。"
    ),
    "var_slope_signs": "该范围包含0：有些水平的效应为正，有些为负。",
    "var_slope_centred": "{effect}没有对应的固定效应，其效应在{group}各水平间的标准差为{sd}{interval}。",
    "var_effect_zero": "{effect}在{group}各水平间的标准差估计为零{interval}。",
    "var_residual": "组内各行的标准差为{sd}{interval}。",
    "var_residual_weights": "组内权重为1的行的标准差为{sd}{interval}。",
    "var_excludes": "{effect}在{group}各水平间的标准差的区间达到0：数据不能排除它没有变异。",
    "cor_none": "{first}与{second}在{group}各水平间的相关没有定义，因为其一没有变异。",
    "cor_weak": "{first}与{second}在{group}各水平间几乎不相关：{r}{interval}。",
    "cor_positive": (
        "{first}与{second}在{group}各水平间正相关，为{r}{interval}：前者较高的水平，后者往往也较高。"
    ),
    "cor_negative": (
        "{first}与{second}在{group}各水平间负相关，为{r}{interval}：前者较高的水平，后者往往较低。"
    ),
    "cor_perfect": (
        "{first}与{second}在{group}各水平间完全相关（{r}）：一个是另一个的线性函数，拟合是奇异的。"
    ),
    "cor_open": "区间包含0，数据不能确定这一相关的正负。",
    "cor_fan_out": "从{effect} = 0起，各水平的线逐渐散开。",
    "cor_fan_in": "从{effect} = 0起，各水平的线起初逐渐靠拢。",
    "cor_zero_point": "与截距的相关取决于{effect}的零点；中心化会改变这一相关，但不改变模型。",
    "cor_many": "{group}有{n}个相关系数，见表。",
    "icc_one": (
        "组内相关为{icc}：它是给定固定效应后{group}同一水平中两行的相关，也是{group}在固定效应之外的"
        "方差中所占的份额。"
    ),
    "icc_slopes": (
        "对各行平均而言，随机效应占固定效应之外方差的{icc}（组内相关）；有随机斜率时，两行的相关取决"
        "于它们的位置。"
    ),
    "icc_several": "在固定效应之外的方差中，随机效应占{icc}（组内相关）：{parts}。",
    "icc_part": "{group}占{share}",
    "icc_zero": "组内相关为0：给定固定效应后，同组的行并不比其他行更相似。",
    # ---- 收敛
    "conv_certified": (
        "经{n}次求值，{criterion}为{value}。最优点已获证书：由精确导数可知，任何一步都不能使准则再降"
        "低约{gap}以上。"
    ),
    "conv_failed": (
        "经{n}次求值，{criterion}为{value}，最优点的证书未通过：{reason}，准则可能高出{gap}。估计值不可采信。"
    ),
    "conv_gradient": "梯度不为零",
    "conv_boundary": "离开奇异的协方差矩阵一步即可降低准则",
    "conv_negative_curvature": "该点是鞍点",
    "conv_other": "条件{code}不成立",
    "conv_try": "请找出数据无法区分的效应，简化随机部分，或以control=Control(starts=5)尝试多个起点。",
    "conv_regular": "随机效应的协方差矩阵都不是奇异的。",
    "sing_intro": "拟合是奇异的：{phrases}。",
    "sing_optimum": "准则在此最低，并非计算失败：向任何方向离开都会使拟合变差。",
    "sing_zero": "{label}中{effect}的方差为零",
    "sing_all": "{label}中所有方差为零",
    "sing_correlation": "{label}中{first}与{second}的相关为{r}，因为{combination}没有变异",
    "sing_combinations": "{label}中{combinations}没有变异",
    "sing_combination": "{label}中{combinations}没有变异",
    "sing_rank": "{label}的{k}维协方差矩阵的秩为{rank}",
    "sing_drop": "去掉该效应的模型有相同的准则。",
    "sing_simplify": "随机部分的效应多于数据所能区分的；减少效应或使其独立（||）或许同样适用。",
    "the_intercept": "截距",
    # ---- 检查
    "checks_none": "未对假设作检查。",
    "checks_fine": "{n}项检查全部符合：{names}。",
    "checks_count": "在{n}项检查中，{fine}项符合，{look}项需留意，{violated}项违背。",
    "check_look": "{assumption}：需留意（{test}，{evidence}）。",
    "check_violated": "{assumption}：被违背（{test}，{evidence}）。",
    "check_remedy": "可用的办法：{remedy}。",
    "check_gap": "准则与最小值相差不超过{gap}",
    "checks_skipped": "在此模型中不能或无需进行的检查：{names}。",
    "checks_caveat": "行数少时这类检验会漏掉许多问题，行数多时又会标出无关紧要的偏离；偏离的大小请看图。",
    # ---- 局限
    "limit_uncertified": "最优点未获证书；在此之前，这里的任何结果都不应报告。",
    "limit_singular": "拟合是奇异的；区间与检验把为零的方差视为已知为零。",
    "limit_few": "{group}只有{n}个水平：其方差难以准确估计，水平间效应的检验自由度也很少。",
    "limit_missing": "含缺失值的行已被舍弃；除非给定预测变量后缺失与响应无关，否则结果有偏。",
    "limit_aliased": "被舍弃各列的效应无法与保留各列的效应区分。",
    "limit_extrapolated": "截距是{conditions}处的均值，而这在数据范围之外；它本身并不描述任何观测。",
    "limit_log": "由对数尺度换算回来的均值是几何均值，而非算术均值。",
    "limit_violated": "区间与p值所依据的假设中，以下各项被违背：{names}。",
    "limit_approximate": "Satterthwaite法的自由度是近似值，组数少时最不可靠。",
    "limit_ml": "最大似然法会低估方差，固定效应的区间也因而偏窄。",
    "limit_many": "{n}个系数的检验未作多重比较校正；出现若干较小的p值可能只是偶然。",
    "limit_cause": "模型描述的是关联；效应是否为因果取决于数据的来历，而非模型。",
    # ---- 重现
    "code_data": "所分析的数据框",
    "code_weights": "先验权重，每行一个",
    "code_offset": "偏移量，每行一个",
    # ---- 图
    "figures": "图",
    "fig_alt": "{caption}横轴：{x}；纵轴：{y}。",
    "fig_names": "名称",
    "fig_data": "数据：{y}的箱线图。",
    "fig_spaghetti": "数据：{y}随{x}的变化，{group}的每个水平一条线。",
    "fig_trajectories": "沿{x}的观测点、总体线及其置信带，以及{group}若干水平的线。",
    "fig_effects": "{y}的边际均值及{level}区间。",
    "fig_coefficients": "固定效应及{level}区间。",
    "fig_variance": "{y}的方差构成。",
    "fig_random_effects": "{group}的随机效应（已排序）及{level}区间。",
    "fig_intercept_slope": "{group}的随机效应两两对照及估计的椭圆。",
    "fig_residuals": "残差与{y}的拟合值；平滑曲线应接近零。",
    "fig_qq": "残差的正态分位数图；各点应在带内。",
    "fig_scale_location": "残差的离散程度与拟合值；平滑曲线应保持水平。",
    "fig_residuals_by_group": "按{group}的残差。",
    "fig_qq_random": "{group}的随机效应的正态分位数图。",
    "fig_acf": "{group}内残差的自相关。",
    "fig_cooks": "每一行的Cook距离。",
    "figure": "图{n}",
    "made_with": "由mixwell {version}生成。",
}
