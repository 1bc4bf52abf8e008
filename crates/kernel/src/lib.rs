//! Numerics of linear mixed-effects models: y = X beta + Z b + e.
//!
//! The path: [`problem::Input`] -> [`problem::Problem`] (crossproducts, once) -> [`optimize::optimize`] (Newton on exact
//! derivatives, certificate) -> [`solution::Solution`].

pub mod blocks;
pub mod certificate;
pub mod components;
pub mod core;
pub mod core_dense;
pub mod core_sparse;
pub mod covariance;
pub mod criterion;
pub mod deletion;
pub mod dense;
pub mod error;
pub mod factor;
pub mod gradient;
pub mod hessian;
pub mod identify;
pub mod inverse;
pub mod memory;
pub mod modes;
pub mod newton;
#[cfg(test)]
mod numbers;
pub mod optimize;
pub mod pool;
pub mod problem;
pub mod profile;
pub mod resample;
pub mod rivals;
pub mod rows;
pub mod scaling;
pub mod solution;
pub mod start;
pub mod watch;
