//! Typed errors of the kernel. Each carries the index or value that caused it.

use std::fmt;

/// Why a problem could not be set up, evaluated or optimized.
#[derive(Clone, Debug, PartialEq)]
pub enum KernelError {
    /// An input array has the wrong length.
    Length { what: &'static str, expected: usize, found: usize },
    /// An input array holds a NaN or an infinity.
    NotFinite { what: &'static str, index: usize },
    /// A prior weight is zero or negative.
    Weight { index: usize, value: f64 },
    /// A level code lies outside `0..n_levels`.
    LevelCode { factor: usize, index: usize, code: i64, n_levels: usize },
    /// A term names a factor that does not exist.
    UnknownFactor { term: usize, factor: usize },
    /// Far more levels than rows.
    TooManyLevels { factor: usize, n_levels: usize, rows: usize },
    /// The crossed factors left in the core are too many and too densely connected to factor.
    CoreTooLarge { dim: usize, largest: usize },
    /// Values whose squares overflow.
    Scale { what: &'static str },
    /// Only one level of a factor is left, whose variance cannot be estimated.
    TooFewLevels { factor: usize },
    /// A factor without levels or a term without columns.
    Empty { what: &'static str, index: usize },
    /// More estimable fixed effects than observations allow.
    TooFewRows { rows: usize, rank: usize },
    /// A column of a random term is a linear combination of the columns before it.
    DependentColumns { term: usize, column: usize },
    /// The fixed part reproduces the response exactly: no variance is left to estimate.
    PerfectFit,
    /// A parameter vector has a non-finite entry.
    Parameter { index: usize, value: f64 },
    /// A pivot of the factor was not positive (index within the core, or the response itself).
    NotPositiveDefinite { index: usize },
    /// An eigenvalue or singular value decomposition did not converge.
    Decomposition,
    /// An option has a value that it cannot have.
    OutOfRange { what: &'static str, value: f64, low: f64, high: f64 },
    /// A parameter that the problem does not have.
    UnknownParameter { index: usize },
    /// A profile came to a criterion below that of the fit it starts from.
    BelowFit { gain: f64 },
    /// A profile could not be followed beyond this zeta.
    NotReached { zeta: f64 },
    /// What happened on the profile of one of the parameters.
    Profile { parameter: usize, reason: Box<KernelError> },
    /// Memory that cannot be had.
    Memory { bytes: usize },
    /// The work was interrupted by the caller.
    Interrupted,
}

impl KernelError {
    /// The parameters are ones at which the criterion cannot be had in double precision; others may do.
    pub fn is_of_parameters(&self) -> bool {
        matches!(self, Self::NotPositiveDefinite { .. } | Self::Decomposition)
    }
}

/// None in place of a result that these parameters do not have.
pub fn at_these_parameters<T>(result: Result<T, KernelError>) -> Result<Option<T>, KernelError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_of_parameters() => Ok(None),
        Err(error) => Err(error),
    }
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { what, expected, found } => {
                write!(f, "{what} has length {found}, expected {expected}")
            }
            Self::NotFinite { what, index } => {
                write!(f, "{what} is not finite at position {index}")
            }
            Self::Weight { index, value } => {
                write!(f, "prior weights must be positive and finite: weight {value} at position {index}")
            }
            Self::LevelCode { factor, index, code, n_levels } => {
                write!(f, "level code {code} at position {index} of factor {factor} is outside 0..{n_levels}")
            }
            Self::UnknownFactor { term, factor } => {
                write!(f, "term {term} refers to factor {factor}, which does not exist")
            }
            Self::TooManyLevels { factor, n_levels, rows } => {
                write!(f, "factor {factor} declares {n_levels} levels for {rows} rows")
            }
            Self::CoreTooLarge { dim, largest } => write!(
                f,
                "the crossed factors besides the largest one have {dim} densely connected random effects; at most {largest} \
                 can be factored"
            ),
            Self::Scale { what } => {
                write!(f, "the squares of the {what} overflow double precision; rescale the data")
            }
            Self::TooFewLevels { factor } => write!(f, "only one level of factor {factor} is left"),
            Self::Empty { what, index } => write!(f, "{what} {index} is empty"),
            Self::TooFewRows { rows, rank } => {
                write!(f, "{rows} rows cannot estimate {rank} fixed effects and a residual variance")
            }
            Self::DependentColumns { term, column } => write!(
                f,
                "column {column} of random term {term} is a linear combination of the columns before it"
            ),
            Self::PerfectFit => {
                write!(f, "the fixed effects reproduce the response exactly; no variance is left to estimate")
            }
            Self::Parameter { index, value } => {
                write!(f, "covariance parameter {index} is {value}; it must be finite")
            }
            Self::NotPositiveDefinite { index } => {
                write!(f, "the factorization met a pivot that is not positive at {index}")
            }
            Self::Decomposition => write!(f, "an eigenvalue decomposition did not converge"),
            Self::OutOfRange { what, value, low, high } => {
                write!(f, "{what} is {value}, which is outside {low} to {high}")
            }
            Self::UnknownParameter { index } => write!(f, "parameter {index} of the profile does not exist"),
            Self::BelowFit { gain } => {
                write!(f, "finds a criterion lower by {gain:.3e} than the fit's")
            }
            Self::NotReached { zeta } => write!(f, "cannot be followed beyond zeta = {zeta:.3}"),
            Self::Profile { reason, .. } => reason.fmt(f),
            Self::Memory { bytes } => {
                write!(f, "{:.1} GiB of memory cannot be had", *bytes as f64 / f64::from(1 << 30))
            }
            Self::Interrupted => write!(f, "interrupted"),
        }
    }
}

impl std::error::Error for KernelError {}
