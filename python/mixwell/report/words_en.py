"""Sentences of reports and tables in English. Chinese has the same keys with the same fields."""

from __future__ import annotations

from collections.abc import Mapping

SENTENCES: Mapping[str, str] = {
    # ---- joints
    "comma": ", ",
    "semicolon": "; ",
    "colon": ": ",
    "criterion_reml": "REML criterion",
    "criterion_ml": "-2 log-likelihood",
    "and": "{first} and {last}",
    "or": "{first} or {last}",
    "and_clauses": "{first} and {last}",
    "and_others": "{names} and {n} others",
    "interval": "{level} CI {low} to {high}",
    "interval_signed": "{level} CI {low} lower to {high} higher",
    "interval_moves": "{level} CI a fall of {low} to a rise of {high}",
    "interval_ratio": "{level} CI of the ratio {low} to {high}",
    "rows": "{n} rows",
    "levels": "{n} levels",
    "higher": "higher",
    "lower": "lower",
    "rises": "rises",
    "falls": "falls",
    "change": "{size} {direction}",
    "labelled": "{name}: {label}",
    # ---- titles
    "title": "Mixed-model report: {y}",
    "contents": "Contents",
    "overview": "At a glance",
    "data": "Data and structure",
    "model": "Model and method",
    "fixed_effects": "Fixed effects",
    "random_effects": "Random effects",
    "variance": "Variance components and intraclass correlation",
    "convergence": "Convergence",
    "checks": "Checks of the assumptions",
    "limits": "Limits",
    "reproduce": "To reproduce",
    "versions": "Versions",
    # ---- tables
    "term": "Term",
    "estimate": "Estimate",
    "std_error": "Std. error",
    "interval_head": "{level} CI",
    "model_fit": "Model",
    "models_compared": "Models compared",
    "observations": "Rows",
    "levels_of": "Levels of {group}",
    "method": "Method",
    "llf": "Log-likelihood",
    "r2_marginal": "R² marginal",
    "r2_conditional": "R² conditional",
    "icc": "ICC",
    "sd_residual": "SD residual",
    "sd_label": "SD {effect} | {group}",
    "cor_label": "Cor {first}, {second} | {group}",
    "note_tests": "Degrees of freedom and p-values: {method}.",
    "note_interval": "In brackets: {level} confidence intervals.",
    "note_std_error": "In parentheses: standard errors.",
    "note_p_value": "In parentheses: p-values.",
    "note_uncertified": "The fit{which} is not certified as converged; its numbers must not be relied on.",
    "note_unidentified": "The data do not identify the variance of {terms}{which}.",
    "note_singular": "The fit{which} is singular: some variance is zero or some correlation perfect.",
    "note_rows_differ": "The models rest on different rows; their criteria cannot be compared.",
    "note_responses_differ": "The models have different responses; their criteria cannot be compared.",
    "note_methods_differ": "REML and ML are mixed; their criteria cannot be compared.",
    "note_reml_differ": "Under REML, criteria of models with different fixed parts cannot be compared.",
    "ddf_satterthwaite": "Satterthwaite's method",
    "ddf_kenward-roger": "Kenward-Roger's method",
    "ddf_residual": "residual degrees of freedom",
    "ddf_normal": "the normal distribution",
    "ddf_containment": "the containment method",
    "ddf_between-within": "the between-within method",
    "ddf_robust": "{kind} cluster-robust standard errors by {cluster}, with their degrees of freedom",
    "variable": "Variable",
    "kind": "Kind",
    "values": "Values",
    "kind_number": "number",
    "kind_factor": "factor",
    "kind_logical": "yes or no",
    "kind_date": "date",
    "table_variables": "Variables of the model, in the rows used",
    "table_fixed": "Fixed effects: estimates, {level} confidence intervals (CI) and t tests",
    "table_anova": "Terms of the fixed part: F tests (type III)",
    "table_variance": "Variance components",
    "table_checks": "Checks",
    "num_df": "df",
    "den_df": "Den. df",
    "group": "Group",
    "effect": "Effect",
    "variance_head": "Variance",
    "sd_head": "SD",
    "cor_head": "Correlation",
    "residual": "Residual",
    "assumption": "Assumption",
    "test": "Test",
    "verdict": "Verdict",
    "evidence": "Evidence",
    "fine": "fine",
    "look": "look",
    "violated": "violated",
    # ---- at a glance
    "glance": "This report describes a linear mixed model for {y}, fitted to {rows} in {groups}.",
    "glance_group": "{levels} of {group}",
    "glance_terms": "At the 5% level, the tests detect effects of {names}, but none of {others}.",
    "glance_terms_all": "At the 5% level, the tests detect effects of {names}.",
    "glance_terms_none": "At the 5% level, the tests detect no effect of {names}.",
    "glance_estimates": "Estimates{scale} with {level} confidence intervals: {estimates}.",
    "on_scale": " on the scale of {y}",
    "glance_estimate": "{name} {estimate} ({low} to {high}){where}",
    "glance_interaction": (
        "Because of the interaction {names}, effects of the variables in it depend on one another and "
        "are not to be read singly."
    ),
    "glance_shares": (
        "The fixed effects account for {marginal} of the variance, fixed and random effects together for "
        "{conditional}."
    ),
    "glance_random_share": "The random effects account for {conditional} of the variance.",
    "glance_certified": "Convergence is certified.",
    "glance_uncertified": (
        "Convergence is NOT certified: the numbers below must not be relied on until it is."
    ),
    "glance_unidentified": "The optimum is one, but the data do NOT identify all variances, as told below.",
    "glance_singular": "The fit is singular, which is explained below.",
    # ---- data
    "data_rows": (
        "The analysis uses {rows}. The response {y} has mean {mean} and standard deviation {sd}, and "
        "runs from {low} to {high}."
    ),
    "data_all": "No rows were left out.",
    "data_dropped": (
        "Of the {given} rows given, {dropped} were left out because values are missing in {columns}."
    ),
    "data_missing": "{column} ({n})",
    "data_balanced": "{group} has {levels} with {rows} each.",
    "data_sizes": "{group} has {levels} with {low} to {high} each (median {median}).",
    "data_singletons": (
        "{n} levels of {group} have a single row, which tells nothing about the spread within them."
    ),
    "data_singleton": (
        "One level of {group} has a single row, which tells nothing about the spread within it."
    ),
    "data_nested": (
        "Each level of {inner} occurs with one level of {outer} only: {inner} is nested in {outer}."
    ),
    "data_identical": "{inner} and {outer} divide the rows in the same way.",
    "data_crossed": "{outer} and {inner} are crossed: every combination of their levels occurs.",
    "data_partly_crossed": (
        "{outer} and {inner} are partly crossed: {n} of {all} combinations of their levels occur."
    ),
    "data_weights": (
        "Rows have prior weights from {low} to {high}; the residual variance of a row is σ² divided by "
        "its weight."
    ),
    "data_offset": "An offset, a known part of the mean, enters with the coefficient 1.",
    "values_number": "mean {mean}, SD {sd}, {low} to {high}",
    "values_level": "{level} ({n})",
    # ---- model
    "model_sentence_reml": (
        "The linear mixed model {formula} was fitted by restricted maximum likelihood (REML) with "
        "mixwell {version}."
    ),
    "model_sentence_ml": (
        "The linear mixed model {formula} was fitted by maximum likelihood (ML) with mixwell {version}."
    ),
    "model_why_reml": (
        "REML allows for the degrees of freedom that the fixed effects take up; maximum likelihood does "
        "not, and tends to underestimate variances. To compare models that differ in their fixed part, "
        "maximum likelihood is needed."
    ),
    "model_why_ml": (
        "Maximum likelihood allows models that differ in their fixed part to be compared, but tends to "
        "underestimate variances, the more so the fewer the groups; REML corrects for this."
    ),
    "model_fixed": "Its fixed part has the terms {names}.",
    "model_fixed_one": "Its fixed part has the term {names}.",
    "model_fixed_intercept": "Its fixed part is the intercept alone, the overall mean.",
    "model_fixed_none": "It has no fixed effects.",
    "model_random_intercept": (
        "{label}: each level of {group} has a mean of its own, since rows of the same level resemble one "
        "another; taking them as independent would make standard errors wrong."
    ),
    "model_random_both_one": (
        "{label}: each level of {group} has a mean of its own and an effect of {effects} of its own; the "
        "two may be correlated."
    ),
    "model_random_both": (
        "{label}: each level of {group} has a mean of its own and effects of {effects} of its own; all "
        "of these may be correlated."
    ),
    "model_random_slopes_one": "{label}: the effect of {effects} differs between the levels of {group}.",
    "model_random_slopes": "{label}: the effects of {effects} differ between the levels of {group}.",
    "model_independent": (
        "The random effects of {group} stand in several terms and are taken as uncorrelated between these."
    ),
    "model_reference": "Factors are compared with a reference level: {pairs}.",
    "model_reference_pair": "{level} for {factor}",
    "model_coding": (
        "The factor {factor} is coded by {kind} contrasts, so that its coefficients are not differences "
        "from a reference level."
    ),
    "model_coding_matrix": (
        "The factor {factor} is coded by a contrast matrix of its own, so that its coefficients are not "
        "differences from a reference level."
    ),
    "model_log": (
        "The response enters as {y}. Differences on this scale are ratios of {what}, and effects of single "
        "variables are told as such; all other numbers are on the scale of {y}."
    ),
    "model_log_of": (
        "The response enters as {y}. Differences on this scale are ratios of {what}, not of {quantity}, "
        "and effects of single variables are told as such; all other numbers are on the scale of {y}."
    ),
    "model_transform": "The response enters as {y}; all effects are on this scale.",
    "model_aliased": (
        "The columns {names} are combinations of others and were dropped; what they would have measured "
        "is not identified."
    ),
    "model_aliased_one": (
        "The column {names} is a combination of others and was dropped; what it would have measured is "
        "not identified."
    ),
    "model_tests": (
        "Tests and {level} confidence intervals (CI) of the fixed effects use t and F distributions with "
        "degrees of freedom by Satterthwaite's method."
    ),
    "model_profile": (
        "{level} confidence intervals of standard deviations and correlations are those of the profile "
        "likelihood (ML); they need not be symmetric about the estimates."
    ),
    "model_equation": "As an equation, for row i, with the estimated variances:",
    "model_estimated": "The estimated mean in the population:",
    # ---- fixed effects
    "where": " when {conditions}",
    "at_level": "{factor} is {level}",
    "at_zero": "{variable} is 0",
    "level_named": "{factor} = {level}",
    "open": "; the data leave its direction open",
    "stats": "{interval}, {p}",
    "fixed_reading": "In words, each effect with the other variables held fixed:",
    "fixed_mean": "{name}: when {conditions}, the mean of {y} is {estimate} ({interval}).",
    "fixed_mean_overall": "{name}: the mean of {y} is {estimate} ({interval}).",
    "fixed_constant": (
        "{name}: the constant of the model is {estimate} ({interval}); with the coding chosen it is not "
        "the mean at one value of the predictors."
    ),
    "fixed_slope": (
        "{name}: per additional unit of {variable}, the mean of {y} {moves} by {size}{where} ({stats}){open}."
    ),
    "fixed_slope_log": (
        "{name}: per additional unit of {variable}, {what} is multiplied by {ratio}{where}, {change} "
        "({stats}){open}."
    ),
    "fixed_slope_log_of": (
        "{name}: per additional unit of {variable}, {what} is multiplied by {ratio}{where} ({stats}){open}."
    ),
    "fixed_level": (
        "{name}: the mean of {y} for {factor} = {level} is {size} {direction} than for {base}{where} "
        "({stats}){open}."
    ),
    "fixed_level_log": (
        "{name}: {what} for {factor} = {level} is {ratio} times that for {base}{where}, {change} "
        "({stats}){open}."
    ),
    "fixed_level_log_of": (
        "{name}: {what} for {factor} = {level} is {ratio} times that for {base}{where} ({stats}){open}."
    ),
    "fixed_carried": (
        "Carried back to {quantity}, this is {estimate} for {level} and {estimate2} for "
        "{base}{where}{held}, {change}."
    ),
    "held": " with the remaining variables at their average",
    "fixed_deviation": (
        "{name}: the mean of {y} for {factor} = {level} is {size} {direction} than the average over the "
        "levels of {factor}{where} ({stats}){open}."
    ),
    "fixed_levels_pair": (
        "{name}: the difference in the mean of {y} between {level} and {base} of {factor}, the first minus "
        "the second, is {size} {direction} for {factor2} = {level2} than for {base2}{where} "
        "({stats}){open}."
    ),
    "fixed_slope_pair": (
        "{name}: the slope of {variable} for {factor} = {level} is {size} {direction} than that for "
        "{base}{where} ({stats}){open}."
    ),
    "fixed_slope_in": (
        "{name}: for {factor} = {level}, the mean of {y} {moves} by {size} per additional unit of "
        "{variable}{where} ({stats}){open}."
    ),
    "fixed_slopes_pair": (
        "{name}: per additional unit of {variable2}, the slope of {variable} {moves} by {size}{where} "
        "({stats}){open}."
    ),
    "fixed_curve": (
        "{names}: together these coefficients describe how {y} runs along {variable}; one by one they "
        "have no plain meaning: see the test of the whole and the figure."
    ),
    "fixed_curve_one": (
        "{name} describes part of a curve along {variable} and has no plain meaning by itself: see the "
        "figure."
    ),
    "fixed_part": (
        "{name}, part of the interaction of {variables} that is best read from marginal means, is "
        "{estimate}{where} ({stats}){open}."
    ),
    "fixed_other": "{name} is {estimate}{where} ({stats}){open}.",
    "fixed_untested": "{name} is {estimate}; its standard error is not defined.",
    "fixed_many": (
        "With {n} coefficients, they are not told one by one; the tests of the terms and the figures say "
        "what matters."
    ),
    "fixed_absent": "The model has no fixed effects.",
    "anova_clear": "Tested as whole terms, effects are detected at the 5% level for {names}.",
    "anova_unclear": "For {names} none is detected, which is no evidence that there is none.",
    "anova_unclear_all": (
        "Tested as whole terms, no effect is detected at the 5% level for {names}; this is no evidence "
        "that there is none."
    ),
    "anova_single": (
        "Of {terms}, single coefficients ({names}) have p-values below 0.05 all the same: such a p-value "
        "is of one comparison, or at one place of the other variables, and not of the term as a whole."
    ),
    "anova_term": "{term} (F({num_df}, {den_df}) = {f}, {p})",
    "anova_means": (
        "Without an intercept the coefficients of {terms} are means; the test asks whether all of them "
        "are 0, not whether they differ."
    ),
    "anova_at_zero": (
        "The tests of {terms} hold where {conditions}, as part of an interaction with a numeric variable."
    ),
    "anova_averaged": (
        "A term that interacts with a factor is tested on average over the levels of that factor; where "
        "the interaction is strong, such a test says little."
    ),
    "r2": (
        "The fixed effects account for {marginal} of the variance (marginal R²), fixed and random "
        "effects together for {conditional} (conditional R²)."
    ),
    "r2_random": (
        "There is no predictor; the random effects account for {conditional} of the variance "
        "(conditional R²)."
    ),
    # ---- variance components
    "sd_interval": " ({interval})",
    "var_intercept": (
        "The means of the levels of {group}{where} have a standard deviation of {sd}{interval}: about "
        "95% of them lie within {half} of what the rest of the model gives."
    ),
    "var_slope": (
        "The effect of {effect} has a standard deviation of {sd}{interval} between the levels of "
        "{group}: around an average of {mean}{where}, about 95% of the levels have effects between {low} "
        "and {high}."
    ),
    "var_slope_signs": (
        "This range includes 0: by the model the effect is positive for some levels and negative for others."
    ),
    "var_slope_centred": (
        "The effect of {effect}, which has no fixed counterpart, has a standard deviation of "
        "{sd}{interval} between the levels of {group}."
    ),
    "var_effect_zero": (
        "The standard deviation of {effect} between the levels of {group} is estimated as zero{interval}."
    ),
    "var_residual": (
        "Given all these effects, rows scatter with a residual standard deviation of {sd}{interval}."
    ),
    "var_residual_weights": (
        "Given all these effects, a row of weight 1 scatters with a residual standard deviation of "
        "{sd}{interval}."
    ),
    "var_excludes": (
        "The interval of the standard deviation of {effect} between the levels of {group} reaches 0: the "
        "data do not rule out that the levels do not differ in it."
    ),
    "cor_none": (
        "The correlation of {first} and {second} between the levels of {group} is not defined, since one "
        "of them does not vary."
    ),
    "cor": (
        "The correlation of {first} and {second} between the levels of {group} is estimated as {r}{interval}."
    ),
    "cor_weak": "The two are hardly related.",
    "cor_positive": "Levels where the first is higher tend to have a higher value of the second.",
    "cor_negative": "Levels where the first is higher tend to have a lower value of the second.",
    "cor_perfect": (
        "{first} and {second} are perfectly correlated between the levels of {group} ({r}): one is a "
        "linear function of the other, and the fit is singular."
    ),
    "cor_open": "The interval includes 0: the data leave the sign of this correlation open.",
    "cor_fan_out": "From {effect} = 0 on, the lines of the levels fan out.",
    "cor_fan_in": "From {effect} = 0 on, the lines of the levels draw closer to one another at first.",
    "cor_zero_point": (
        "A correlation with an intercept depends on where {effect} has its zero; centring it changes the "
        "correlation but not the model."
    ),
    "cor_many": "{group} has {n} correlations, which are in the table.",
    "icc_one": (
        "The intraclass correlation (ICC) is {icc}: the correlation of two rows of the same level of "
        "{group}, given the fixed effects, and the share of {group} in the variance that they leave."
    ),
    "icc_slopes": (
        "On average over the rows, the random effects make up {share} of the variance that the fixed "
        "effects leave (ICC {icc}); with random slopes the correlation of two rows depends on where they "
        "lie."
    ),
    "icc_several": (
        "Of the variance that the fixed effects leave, the random effects make up {share} (ICC {icc}): "
        "{parts}."
    ),
    "icc_part": "{group} {share}",
    "icc_zero": (
        "The intraclass correlation is 0: given the fixed effects, rows of the same group are estimated "
        "to be no more alike than others."
    ),
    # ---- convergence
    "evaluation": "1 evaluation",
    "evaluations": "{n} evaluations",
    "conv_certified": (
        "The {criterion} is {value} after {evaluations}. The optimum is certified: by exact derivatives "
        "it is a local minimum, and no step from there can lower the criterion by more than about {gap}."
    ),
    "start": "a search from another start",
    "starts": "{n} searches from other starts",
    "trial": "1 trial value",
    "trials": "{n} trial values",
    "conv_starts": "Whether it is the lowest one cannot be proved; {looked} found none lower.",
    "conv_failed": (
        "The {criterion} is {value} after {evaluations}, and the certificate of the optimum failed: "
        "{reason}, and the criterion may be {gap} too high. The estimates must not be relied on."
    ),
    "conv_reached": "The {criterion} is {value} after {evaluations}, a minimum by its exact derivatives.",
    "conv_unidentified_short": "the data do not identify {terms}",
    "conv_flat": (
        "The data hardly tell the variances of {terms}: they may change by half and the criterion does not. "
        "The estimates of these variances must not be interpreted."
    ),
    "conv_by_design": (
        "The data do not identify the variance of {terms}: maximum likelihood settles it by the design "
        "alone, whatever the response."
    ),
    "conv_split": (
        "The data do not identify how the covariance is split: {terms} could be left out, and the estimates "
        "of these variances are one of many choices that fit as well. The fixed effects and their standard "
        "errors are the same for all of them."
    ),
    "conv_held": "Held at zero, because the data do not identify its variance: {terms}.",
    "conv_taken_up": (
        "In the fixed part {fixed} takes up the same effects, so that its standard errors and tests hold for "
        "these very groups and not for others like them."
    ),
    "conv_gradient": "the gradient is not zero",
    "conv_boundary": "a step away from a singular covariance matrix would lower the criterion",
    "conv_negative_curvature": "the point is a saddle",
    "conv_rounding": "the rounding of the criterion hides its minimum",
    "conv_other": "the condition {code} does not hold",
    "conv_try": (
        "Look for effects that the data cannot tell apart, simplify the random part, or try more "
        "starts with control=Control(starts=50)."
    ),
    "conv_far": (
        "Group effects exceed the error so far that double precision does not hold both: treat effects of "
        "that size as fixed, or look for one in the data that the fixed part should explain."
    ),
    "conv_regular": "No covariance matrix of random effects is singular.",
    "sing_intro": "The fit is singular: {phrases}.",
    "sing_optimum": (
        "This is where the criterion is lowest, and no failure of the computation: leaving it in any "
        "direction would make the fit worse."
    ),
    "sing_zero": "the variance of {effect} in {label} is zero",
    "sing_all": "all variances in {label} are zero",
    "sing_correlation": (
        "{first} and {second} in {label} have a correlation of {r}, since {combination} does not vary"
    ),
    "sing_combinations": "in {label}, {combinations} do not vary",
    "sing_combination": "in {label}, {combinations} does not vary",
    "sing_rank": "the covariance matrix of {label} has rank {rank} of {k}",
    "sing_drop": "The model without that effect has the same criterion.",
    "sing_simplify": (
        "The random part has more effects than the data can tell apart; fewer of them, or independent "
        "ones (||), may serve as well."
    ),
    "the_intercept": "the intercept",
    # ---- checks
    "checks_none": "The assumptions were not checked.",
    "checks_fine": "All {n} checks of the assumptions are fine.",
    "checks_count": (
        "Checks of the assumptions: {n} made, {fine} fine, {look} worth a look, {violated} violated."
    ),
    "check_look": "{assumption}: worth a look ({test}, {evidence}).",
    "check_violated": "{assumption}: violated ({test}, {evidence}).",
    "check_remedy": "What can be done: {remedy}",
    "check_gap": "criterion within {gap} of a local minimum",
    "checks_skipped": "Not possible or not asked for in this model: {names}.",
    "checks_caveat": (
        "With few rows such tests overlook much, with many they flag what does not matter; the figures "
        "show how large a deviation is."
    ),
    # ---- limits
    "limit_uncertified": "The optimum is not certified; nothing here should be reported before it is.",
    "limit_unidentified": "The data do not identify {terms}; nothing can be said about that variance.",
    "limit_singular": (
        "The fit is singular; intervals and tests of the fixed effects treat the variances at zero as known."
    ),
    "limit_few": (
        "{group} has only {n} levels: its variance is poorly determined, and tests of effects between "
        "its levels rest on few degrees of freedom."
    ),
    "limit_missing": (
        "Rows with missing values were left out, which biases the results unless values are missing "
        "independently of the response, given the predictors."
    ),
    "limit_aliased": "Effects of dropped columns cannot be told from those of the columns kept.",
    "limit_extrapolated": (
        "The intercept is the mean where {conditions}, which is outside the data; by itself it describes "
        "nothing observed."
    ),
    "limit_log": "Means carried back from the log scale are geometric means, not arithmetic ones.",
    "limit_carried": (
        "Means carried back from the scale of {y} are not arithmetic means of {quantity}; they are medians "
        "if errors are symmetric on that scale."
    ),
    "limit_violated": (
        "Intervals and p-values rest on assumptions; these checks of them came out as violated: {names}."
    ),
    "limit_approximate": (
        "Degrees of freedom by Satterthwaite's method are an approximation, which is least sure with few "
        "groups."
    ),
    "limit_ml": (
        "Under maximum likelihood variances tend to be underestimated, and intervals of the fixed "
        "effects to be too narrow."
    ),
    "limit_many": (
        "{n} coefficients are tested without adjustment; some small p-values are to be expected by chance."
    ),
    "limit_cause": (
        "The model describes associations; whether an effect is a cause depends on how the data came "
        "about, not on the model."
    ),
    # ---- reproduce
    "code_data": "the data frame analysed",
    "code_weights": "prior weights, one per row",
    "code_offset": "offset, one per row",
    # ---- figures
    "fig_alt": "{caption} Horizontal axis: {x}; vertical axis: {y}.",
    "fig_names": "names",
    "fig_data": "The data: boxes and points of {y}.",
    "fig_spaghetti": "The data: {y} along {x}, a line per level of {group}.",
    "fig_trajectories": (
        "Observed points along {x}, with the population's line, its band, and the lines of levels of {group}."
    ),
    "fig_effects": "Marginal means of {y} with {level} confidence intervals.",
    "fig_coefficients": "Fixed effects with {level} confidence intervals.",
    "fig_variance": "What the variance of {y} is made of.",
    "fig_random_effects": "Random effects of {group}, sorted, with {level} intervals.",
    "fig_intercept_slope": "Random effects of {group} against each other, with the estimated ellipse.",
    "fig_residuals": "Residuals against fitted values of {y}; the smooth line should stay near zero.",
    "fig_qq": (
        "Normal quantiles of the residuals; points should stay within the band. Rows are named by their "
        "labels in the data, or by their positions, counted from 0."
    ),
    "fig_scale_location": "Spread of the residuals against fitted values; the smooth line should be level.",
    "fig_residuals_by_group": "Residuals by {group}.",
    "fig_qq_random": "Normal quantiles of the random effects of {group}.",
    "fig_acf": "Autocorrelation of the residuals within {group}.",
    "fig_cooks": (
        "Cook's distance of each row; beyond the line lies the largest one of 5 % of samples from the model. "
        "Rows are named by their labels in the data, or by their positions, counted from 0."
    ),
    "figure": "Figure {n}",
    "made_with": "Made with mixwell {version}.",
}
