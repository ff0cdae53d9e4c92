//! Conditions: a subset of CEL over typed values, parsed and checked once, evaluated without allocating.
//!
//! The text becomes an [`Expr`] (every fault found here, with its byte), the [`Expr`] a [`Program`] over
//! dense slots. Meaning is that of [CEL](https://cel.dev) and the `cel` crate is the oracle in the tests: an
//! absent property is an error, `&&` and `||` absorb errors, an error that is left over counts as "does not
//! hold". Whole and fractional numbers compare with each other but, as in CEL, do not mix in arithmetic:
//! `double(properties.value) * 1.2`.
//!
//! Said otherwise than CEL, on purpose: `has(properties.a.b)` is false, not an error, where `a` is absent;
//! `has(properties["odd name"])` is allowed; an array or an object equals no literal and has no size here,
//! and whether two of them are equal is an error, since a [`Value`] does not carry them; `+` does not join
//! texts.

mod lexer;
mod parser;
mod program;
mod syntax;
mod types;

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::model::Value;

pub use program::Program;
use syntax::Ast;

/// The longest condition, in bytes: far beyond what a person reads at a glance, small enough to bound
/// parsing.
pub const TEXT_BYTES_MAX: usize = 4 * 1024;
/// How deep a condition may nest: evaluation recurses, and a worker's stack is not the author's to spend.
pub const DEPTH_MAX: usize = 32;
/// How many literals, paths and operators a condition may have: bounds the cost of one evaluation to about 2
/// µs.
pub const NODES_MAX: usize = 256;

/// Where a path starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Root {
    /// `properties.x`: of the event at hand.
    Properties,
    /// `user.x`: an attribute of the user.
    User,
    /// `entry.x`: a property of the event that let the user in.
    Entry,
}

impl Root {
    /// All of them, as they are written.
    pub const ALL: [Self; 3] = [Self::Properties, Self::User, Self::Entry];

    /// The word that starts its paths.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Properties => "properties",
            Self::User => "user",
            Self::Entry => "entry",
        }
    }
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Gives paths their slots when a condition is compiled.
pub trait Binder {
    /// The slot of `path` (segments joined by `.`) under `root`; the same for the same path.
    fn bind(&mut self, root: Root, path: &str) -> u16;
}

/// The values of one evaluation.
pub trait Scope {
    /// The value in `slot` under `root`; [`Value::Missing`] where there is none.
    fn value(&self, root: Root, slot: u16) -> Value<'_>;
}

/// What a condition says. Only [`Verdict::True`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub enum Verdict {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It cannot be said: a property is absent, or has another type than the condition needs.
    Error,
}

impl Verdict {
    /// Whether it holds; an error does not.
    #[must_use]
    pub const fn holds(self) -> bool {
        matches!(self, Self::True)
    }
}

impl From<bool> for Verdict {
    fn from(truth: bool) -> Self {
        if truth { Self::True } else { Self::False }
    }
}

/// Why a text is not a condition, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConditionError {
    /// A sentence: what was found, and what is allowed.
    pub message: String,
    /// The byte of the text at which it was found, from 0.
    pub at: usize,
    /// How to say it instead, where that can be guessed.
    pub hint: Option<String>,
}

impl ConditionError {
    fn new(at: usize, message: impl Into<String>) -> Self {
        Self { message: message.into(), at, hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A condition that was parsed and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    ast: Ast,
}

impl Expr {
    /// Parses and checks `text`.
    ///
    /// # Errors
    /// The first fault: syntax outside of the subset, operands of wrong types, a limit exceeded.
    pub fn parse(text: &str) -> Result<Self, ConditionError> {
        let ast = parser::parse(text)?;
        types::check_condition(&ast)?;
        Ok(Self { ast })
    }

    /// The paths that it reads, each once, in the order of the text.
    #[must_use]
    pub fn paths(&self) -> Vec<(Root, String)> {
        let mut found = Vec::new();
        self.ast.walk(&mut |ast| {
            if let Some((root, path)) = ast.path()
                && !found.iter().any(|(r, p)| *r == root && p == path)
            {
                found.push((root, path.to_owned()));
            }
        });
        found
    }

    /// The roots of all paths, with the bytes at which these stand, in the order of the text.
    #[must_use]
    pub fn roots(&self) -> Vec<(Root, usize)> {
        let mut found = Vec::new();
        self.ast.walk(&mut |ast| found.extend(ast.path().map(|(root, _)| (root, ast.at))));
        found
    }

    /// The program, with the slots that `binder` gives. Equal conditions over equal slots give equal
    /// programs.
    pub fn compile(&self, binder: &mut dyn Binder) -> Program {
        Program::compile(&self.ast, binder)
    }
}

/// A bare path, as the variables of a send have it: `entry.cart_id`, `user.first_name`.
///
/// # Errors
/// If it is anything else, or no path at all.
pub fn variable(text: &str) -> Result<(Root, String), ConditionError> {
    let ast = parser::parse(text)?;
    match ast.kind {
        syntax::Kind::Path(root, path) => Ok((root, path)),
        _ => Err(ConditionError::new(0, "a variable is one path, such as entry.cart_id or user.first_name")
            .hint("write the path alone, without operators, quotes or functions")),
    }
}
