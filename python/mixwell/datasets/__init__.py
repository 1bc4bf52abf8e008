"""Small real data sets, as the R packages lme4, nlme and mlmRev distribute them.

Rows, column names and level orders are R's (written by ``export.R``, with checksums); ordered factors are
ordered categoricals. Each call returns a new pandas frame.

>>> from mixwell import datasets
>>> datasets.names()  # doctest: +NORMALIZE_WHITESPACE
('cake', 'chem97', 'dyestuff', 'dyestuff2', 'egsingle', 'hsb82', 'insteval', 'machines', 'oats', 'orthodont',
 'oxboys', 'pastes', 'penicillin', 'ratpups', 'sleepstudy')
"""

from __future__ import annotations

import pandas as pd

from mixwell.datasets.read import FILES, read

__all__ = [
    "load_cake",
    "load_chem97",
    "load_dyestuff",
    "load_dyestuff2",
    "load_egsingle",
    "load_hsb82",
    "load_insteval",
    "load_machines",
    "load_oats",
    "load_orthodont",
    "load_oxboys",
    "load_pastes",
    "load_penicillin",
    "load_ratpups",
    "load_sleepstudy",
    "names",
]


def names() -> tuple[str, ...]:
    """The names of the data sets, each loaded by the function ``load_<name>``.

    Examples
    --------
    >>> from mixwell import datasets
    >>> "sleepstudy" in datasets.names()
    True
    """
    return tuple(sorted(file.stem for file in FILES.glob("*.json")))


def load_cake() -> pd.DataFrame:
    """Breakage angle of chocolate cakes: three recipes, six baking temperatures, a split plot.

    For each recipe fifteen batches (replicates) of batter were mixed; each batch made six cakes, baked at the
    six temperatures. The batch is ``recipe:replicate``, since the replicate numbers repeat between recipes.

    Returns
    -------
    pandas.DataFrame
        270 rows:

        - ``replicate``: 1 to 15, presumably in order of time;
        - ``recipe``: A, B, C;
        - ``temperature``: 175 to 225, ordered categorical;
        - ``angle``: angle at which the cake broke, degrees;
        - ``temp``: the baking temperature as a number, degrees Fahrenheit.

    References
    ----------
    Cook, F. E. (1938). Chocolate cake, I. Optimum baking temperature. Master's thesis, Iowa State College.
    Cochran, W. G. and Cox, G. M. (1957). Experimental Designs, 2nd ed., p. 300. Wiley. R: ``lme4::cake``.

    Examples
    --------
    >>> from mixwell import datasets
    >>> cake = datasets.load_cake()
    >>> cake.shape
    (270, 5)
    >>> list(cake["temperature"].cat.categories)
    ['175', '185', '195', '205', '215', '225']
    """
    return read("cake")


def load_chem97() -> pd.DataFrame:
    """A-level chemistry scores of 31,022 students in 2,410 schools of 131 local education authorities, 1997.

    Three levels, strictly nested: student in school in authority; schools have unique labels.

    Returns
    -------
    pandas.DataFrame
        31022 rows:

        - ``lea``: local education authority;
        - ``school``: school;
        - ``student``: student, one per row;
        - ``score``: point score in A-level chemistry, 0 to 10 in steps of 2;
        - ``gender``: M, F;
        - ``age``: age in months, minus 222 (18.5 years);
        - ``gcsescore``: the student's average GCSE score;
        - ``gcsecnt``: the same, minus its mean.

    References
    ----------
    Yang, M., Fielding, A. and Goldstein, H. (2002). Multilevel ordinal models for examination grades.
    Centre for Multilevel Modelling, University of Bristol. R: ``mlmRev::Chem97``.

    Examples
    --------
    >>> from mixwell import datasets
    >>> chem = datasets.load_chem97()
    >>> chem[["lea", "school"]].nunique().to_dict()
    {'lea': 131, 'school': 2410}
    """
    return read("chem97")


def load_dyestuff() -> pd.DataFrame:
    """Yield of dyestuff from six batches of an intermediate product, five preparations each.

    The plainest random-effects layout, one way and balanced: how much of the variation in yield comes from
    differences between batches?

    Returns
    -------
    pandas.DataFrame
        30 rows:

        - ``Batch``: batch of the intermediate product, A to F;
        - ``Yield``: yield of Naphthalene Black 12B, grams of standard colour.

    References
    ----------
    Davies, O. L. and Goldsmith, P. L., eds. (1972). Statistical Methods in Research and Production, 4th ed.,
    section 6.4. Oliver and Boyd. R: ``lme4::Dyestuff``.

    Examples
    --------
    >>> from mixwell import datasets
    >>> datasets.load_dyestuff().groupby("Batch", observed=True)["Yield"].mean().to_dict()
    {'A': 1505.0, 'B': 1528.0, 'C': 1564.0, 'D': 1498.0, 'E': 1600.0, 'F': 1470.0}
    """
    return read("dyestuff")


def load_dyestuff2() -> pd.DataFrame:
    """Constructed data in the layout of dyestuff, whose batches vary less than chance alone would make them.

    The mean square between batches is below the one within, so the estimated variance between batches is
    exactly zero: the standard example of a singular fit.

    Returns
    -------
    pandas.DataFrame
        30 rows:

        - ``Batch``: A to F;
        - ``Yield``: the constructed response, no unit.

    References
    ----------
    Box, G. E. P. and Tiao, G. C. (1973). Bayesian Inference in Statistical Analysis, section 5.1.2.
    Addison-Wesley. R: ``lme4::Dyestuff2``.

    Examples
    --------
    >>> from mixwell import datasets
    >>> batches = datasets.load_dyestuff2().groupby("Batch", observed=True)["Yield"]
    >>> bool(5 * batches.mean().var() < batches.var().mean())
    True
    """
    return read("dyestuff2")


def load_egsingle() -> pd.DataFrame:
    """Mathematics scores of 1721 pupils in 60 primary schools over up to six years.

    Growth curves at three levels, unbalanced: test occasion in pupil in school. From the US Sustaining
    Effects Study.

    Returns
    -------
    pandas.DataFrame
        7230 rows:

        - ``schoolid``: school;
        - ``childid``: pupil, unique over schools;
        - ``year``: year of the test, -2.5 to 2.5;
        - ``grade``: the pupil's grade, 0 to 5;
        - ``math``: test score on the scale of an item response model;
        - ``retained``: 1 when the pupil repeats a grade, else 0;
        - ``female``: the pupil's sex, "Female" or "Male";
        - ``black``, ``hispanic``: 1 or 0;
        - ``size``: number of pupils in the school;
        - ``lowinc``: percentage of pupils from low-income families in the school;
        - ``mobility``: percentage of pupils who move during the school year.

    References
    ----------
    Bryk, A. S., Raudenbush, S. W. and Congdon, R. (1996), data distributed with the program HLM.
    Doran, H. C. and Lockwood, J. R. (2006). Fitting value-added models in R. Journal of Educational and
    Behavioral Statistics 31, 205-230. R: ``mlmRev::egsingle``.

    Examples
    --------
    >>> from mixwell import datasets
    >>> pupils = datasets.load_egsingle()
    >>> pupils[["schoolid", "childid"]].nunique().to_dict()
    {'schoolid': 60, 'childid': 1721}
    """
    return read("egsingle")


def load_hsb82() -> pd.DataFrame:
    """Mathematics achievement of 7185 students in 160 high schools: High School and Beyond, 1982.

    The worked example of many multilevel courses: does the effect of a student's background differ between
    Catholic and public schools?

    Returns
    -------
    pandas.DataFrame
        7185 rows:

        - ``school``: school, ordered categorical (order of R's groupedData, not a scale);
        - ``minrty``: minority student, No or Yes;
        - ``sx``: Male, Female;
        - ``ses``: socio-economic status, a standardized composite;
        - ``mAch``: mathematics achievement score;
        - ``meanses``: mean of ``ses`` in the school;
        - ``sector``: Public, Catholic;
        - ``cses``: ``ses`` minus ``meanses``.

    References
    ----------
    Raudenbush, S. W. and Bryk, A. S. (2002). Hierarchical Linear Models, 2nd ed., chapter 4. Sage.
    R: ``mlmRev::Hsb82``.

    Examples
    --------
    >>> from mixwell import datasets
    >>> schools = datasets.load_hsb82().drop_duplicates("school")
    >>> schools["sector"].value_counts().to_dict()
    {'Public': 90, 'Catholic': 70}
    """
    return read("hsb82")


def load_insteval() -> pd.DataFrame:
    """73,421 ratings of lectures at ETH Zurich, given by 2972 students to 1128 lecturers.

    Students and lecturers are crossed, incompletely and unbalanced; the standard middle-sized example of
    crossed random effects. Anonymized.

    Returns
    -------
    pandas.DataFrame
        73421 rows:

        - ``s``: student;
        - ``d``: lecturer;
        - ``studage``: semesters the student has been enrolled, ordered categorical 2, 4, 6, 8;
        - ``lectage``: how many semesters ago the lecture took place, ordered categorical 1 to 6;
        - ``service``: 1 for a lecture held for another department than the lecturer's own, else 0;
        - ``dept``: department of the lecture, a code;
        - ``y``: rating, 1 (poor) to 5 (very good).

    References
    ----------
    Survey at ETH Zurich, prepared by Martin Maechler. R: ``lme4::InstEval``.

    Examples
    --------
    >>> from mixwell import datasets
    >>> ratings = datasets.load_insteval()
    >>> ratings[["s", "d", "dept"]].nunique().to_dict()
    {'s': 2972, 'd': 1128, 'dept': 14}
    """
    return read("insteval")


def load_machines() -> pd.DataFrame:
    """Productivity of six workers on three brands of machine, three runs each.

    Does a worker's advantage depend on the machine? A random interaction of a fixed with a random factor.

    Returns
    -------
    pandas.DataFrame
        54 rows:

        - ``Worker``: worker, 1 to 6, ordered categorical (order of R's groupedData, not a scale);
        - ``Machine``: brand, A, B, C;
        - ``score``: productivity score, from number and quality of the components made.

    References
    ----------
    Milliken, G. A. and Johnson, D. E. (1992). Analysis of Messy Data, Volume I, p. 285. Chapman and Hall.
    Pinheiro, J. C. and Bates, D. M. (2000). Mixed-Effects Models in S and S-PLUS, appendix A.14. Springer.
    R: ``nlme::Machines``.

    Examples
    --------
    >>> from mixwell import datasets
    >>> datasets.load_machines().groupby("Machine", observed=True).size().to_dict()
    {'A': 18, 'B': 18, 'C': 18}
    """
    return read("machines")


def load_oats() -> pd.DataFrame:
    """Yield of oats: a split-plot experiment with three varieties and four amounts of nitrogen.

    Six blocks of three plots; a plot grows one variety and is split in four for the amounts of nitrogen.

    Returns
    -------
    pandas.DataFrame
        72 rows:

        - ``Block``: I to VI, ordered categorical (order of R's groupedData, not a scale);
        - ``Variety``: Golden Rain, Marvellous, Victory;
        - ``nitro``: nitrogen, hundredweight per acre: 0, 0.2, 0.4, 0.6;
        - ``yield``: yield of the subplot, quarter pounds.

    References
    ----------
    Yates, F. (1935). Complex experiments. Supplement to the Journal of the Royal Statistical Society 2,
    181-247.
    Venables, W. N. and Ripley, B. D. (2002). Modern Applied Statistics with S, 4th ed. Springer.
    R: ``nlme::Oats``.

    Examples
    --------
    >>> from mixwell import datasets
    >>> datasets.load_oats().groupby("nitro")["yield"].mean().round(2).to_dict()
    {0.0: 79.39, 0.2: 98.89, 0.4: 114.22, 0.6: 123.39}
    """
    return read("oats")


def load_orthodont() -> pd.DataFrame:
    """Growth of a distance in the skull of 27 children, from age 8 to 14.

    Measured on x-ray images every two years, by the University of North Carolina Dental School.

    Returns
    -------
    pandas.DataFrame
        108 rows:

        - ``distance``: from the pituitary to the pterygomaxillary fissure, mm;
        - ``age``: years: 8, 10, 12, 14;
        - ``Subject``: M01 to M16 and F01 to F11, ordered categorical (by average distance within sex);
        - ``Sex``: Male, Female.

    References
    ----------
    Potthoff, R. F. and Roy, S. N. (1964). A generalized multivariate analysis of variance model useful
    especially for growth curve problems. Biometrika 51, 313-326. R: ``nlme::Orthodont``.

    Examples
    --------
    >>> from mixwell import datasets
    >>> children = datasets.load_orthodont().drop_duplicates("Subject")
    >>> children["Sex"].value_counts().to_dict()
    {'Male': 16, 'Female': 11}
    """
    return read("orthodont")


def load_oxboys() -> pd.DataFrame:
    """Height of 26 boys in Oxford at nine ages each.

    Returns
    -------
    pandas.DataFrame
        234 rows:

        - ``Subject``: boy, 1 to 26, ordered categorical (order of R's groupedData, not a scale);
        - ``age``: standardized age, no unit, -1 to about 1;
        - ``height``: cm;
        - ``Occasion``: 1 to 9, ordered categorical.

    References
    ----------
    Goldstein, H. (1987). Multilevel Models in Educational and Social Research. Griffin.
    Pinheiro, J. C. and Bates, D. M. (2000). Mixed-Effects Models in S and S-PLUS, appendix A.19. Springer.
    R: ``nlme::Oxboys``.

    Examples
    --------
    >>> from mixwell import datasets
    >>> boys = datasets.load_oxboys()
    >>> bool((boys.groupby("Subject", observed=True).size() == 9).all())
    True
    """
    return read("oxboys")


def load_pastes() -> pd.DataFrame:
    """Strength of a chemical paste: two tests on each of three casks from each of ten deliveries.

    Casks are nested in batches, but their labels a, b, c repeat: ``batch:cask`` is the same as ``sample``,
    and ``cask`` alone means nothing.

    Returns
    -------
    pandas.DataFrame
        60 rows:

        - ``strength``: paste strength;
        - ``batch``: delivery, A to J;
        - ``cask``: cask in the delivery, a to c;
        - ``sample``: the two joined, A:a to J:c.

    References
    ----------
    Davies, O. L. and Goldsmith, P. L., eds. (1972). Statistical Methods in Research and Production, 4th ed.,
    section 6.5. Oliver and Boyd. R: ``lme4::Pastes``.

    Examples
    --------
    >>> from mixwell import datasets
    >>> pastes = datasets.load_pastes()
    >>> pastes[["batch", "cask", "sample"]].nunique().to_dict()
    {'batch': 10, 'cask': 3, 'sample': 30}
    """
    return read("pastes")


def load_penicillin() -> pd.DataFrame:
    """Diameter of the zone in which penicillin stops growth: six samples, each on all of 24 plates.

    Two random factors, fully crossed and balanced.

    Returns
    -------
    pandas.DataFrame
        144 rows:

        - ``diameter``: diameter of the zone without growth of *B. subtilis*, mm;
        - ``plate``: assay plate, a to x;
        - ``sample``: penicillin sample, A to F.

    References
    ----------
    Davies, O. L. and Goldsmith, P. L., eds. (1972). Statistical Methods in Research and Production, 4th ed.,
    section 6.6. Oliver and Boyd. R: ``lme4::Penicillin``.

    Examples
    --------
    >>> from mixwell import datasets
    >>> penicillin = datasets.load_penicillin()
    >>> bool((penicillin.groupby(["plate", "sample"], observed=True).size() == 1).all())
    True
    """
    return read("penicillin")


def load_ratpups() -> pd.DataFrame:
    """Birth weight of 322 rat pups in 27 litters, whose mothers got a high dose, a low dose or none.

    Treatment and litter size belong to the litter, sex to the pup; litters have 2 to 18 pups and the
    treatments 10, 10 and 7 litters, so nothing is balanced.

    Returns
    -------
    pandas.DataFrame
        322 rows:

        - ``weight``: birth weight, g;
        - ``sex``: Male, Female;
        - ``Litter``: litter, ordered categorical (order of R's groupedData, not a scale);
        - ``Lsize``: number of pups in the litter;
        - ``Treatment``: Control, Low, High, ordered categorical.

    References
    ----------
    Pinheiro, J. C. and Bates, D. M. (2000). Mixed-Effects Models in S and S-PLUS. Springer.
    West, B. T., Welch, K. B. and Galecki, A. T. (2022). Linear Mixed Models, 3rd ed., chapter 3. CRC Press.
    R: ``nlme::RatPupWeight``.

    Examples
    --------
    >>> from mixwell import datasets
    >>> litters = datasets.load_ratpups().drop_duplicates("Litter")
    >>> litters["Treatment"].value_counts(sort=False).to_dict()
    {'Control': 10, 'Low': 10, 'High': 7}
    """
    return read("ratpups")


def load_sleepstudy() -> pd.DataFrame:
    """Reaction times of 18 people on the first ten days of a sleep deprivation study.

    The group that was allowed three hours in bed per night. Days 0 and 1 were adaptation and training, day 2
    the baseline; sleep was restricted after day 2 only.

    Returns
    -------
    pandas.DataFrame
        180 rows:

        - ``Reaction``: average reaction time of the day, ms;
        - ``Days``: day of the study, 0 to 9;
        - ``Subject``: participant.

    References
    ----------
    Belenky, G. et al. (2003). Patterns of performance degradation and restoration during sleep
    restriction and subsequent recovery: a sleep dose-response study. Journal of Sleep Research 12, 1-12.
    R: ``lme4::sleepstudy``.

    Examples
    --------
    >>> from mixwell import datasets
    >>> datasets.load_sleepstudy().head(3)
       Reaction  Days Subject
    0  249.5600   0.0     308
    1  258.7047   1.0     308
    2  250.8006   2.0     308
    """
    return read("sleepstudy")
