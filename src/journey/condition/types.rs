//! What can be said of a condition's types before any value is seen. A path may be anything; literals and
//! operators are known, so that an operand which could never be right is refused when the journey is checked.

use super::ConditionError;
use super::syntax::{Arith, Ast, Compare, Const, Kind};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Unknown,
    Null,
    Bool,
    Int,
    Float,
    Text,
}

impl Type {
    const fn said(self) -> &'static str {
        match self {
            Self::Unknown => "a value",
            Self::Null => "null",
            Self::Bool => "true or false",
            Self::Int => "a whole number",
            Self::Float => "a number with a fraction",
            Self::Text => "a text",
        }
    }

    const fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Float)
    }

    /// Whether the value may turn out to be one of `wanted`.
    fn may_be(self, wanted: &[Self]) -> bool {
        self == Self::Unknown || wanted.contains(&self)
    }
}

/// Checks a whole condition: all operands, and that it is true or false in the end.
pub(super) fn check_condition(ast: &Ast) -> Result<(), ConditionError> {
    let found = type_of(ast)?;
    if found.may_be(&[Type::Bool]) {
        return Ok(());
    }
    Err(ConditionError::new(ast.at, format!("a condition must be true or false; this is {}", found.said()))
        .hint("compare it with something, such as properties.value > 0"))
}

fn type_of(ast: &Ast) -> Result<Type, ConditionError> {
    match &ast.kind {
        Kind::Const(literal) => Ok(const_type(literal)),
        Kind::Path(..) => Ok(Type::Unknown),
        Kind::Has(..) => Ok(Type::Bool),
        Kind::Not(a) => need(a, &[Type::Bool], "`!` negates").map(|_| Type::Bool),
        Kind::Neg(a) => need(a, &[Type::Int, Type::Float], "`-` turns the sign of"),
        Kind::Size(a) => need(a, &[Type::Text], "size counts the characters of").map(|_| Type::Int),
        Kind::Double(a) => need(a, &[Type::Int, Type::Float], "double converts").map(|_| Type::Float),
        Kind::All(all) | Kind::Any(all) => {
            for operand in all {
                need(operand, &[Type::Bool], "`&&` and `||` join what is")?;
            }
            Ok(Type::Bool)
        }
        Kind::Compare(compare, a, b) => comparison(ast.at, *compare, type_of(a)?, type_of(b)?),
        Kind::Arith(arith, a, b) => arithmetic(ast.at, *arith, a, b),
        Kind::Text(_, a, b) => {
            for operand in [a, b] {
                need(operand, &[Type::Text], "startsWith, endsWith and contains look at")?;
            }
            Ok(Type::Bool)
        }
        Kind::In(a, _) => type_of(a).map(|_| Type::Bool),
        Kind::If(condition, a, b) => {
            need(condition, &[Type::Bool], "`?` asks")?;
            let (a, b) = (type_of(a)?, type_of(b)?);
            Ok(if a == b { a } else { Type::Unknown })
        }
    }
}

fn const_type(literal: &Const) -> Type {
    match literal {
        Const::Null => Type::Null,
        Const::Bool(_) => Type::Bool,
        Const::Int(_) => Type::Int,
        Const::Float(_) => Type::Float,
        Const::Text(_) => Type::Text,
    }
}

fn need(ast: &Ast, wanted: &[Type], does: &str) -> Result<Type, ConditionError> {
    let found = type_of(ast)?;
    if found.may_be(wanted) {
        return Ok(found);
    }
    let wanted = if wanted[0] == Type::Int { "a number" } else { wanted[0].said() };
    Err(ConditionError::new(ast.at, format!("{does} {wanted}; this is {}", found.said())))
}

fn comparison(at: usize, compare: Compare, a: Type, b: Type) -> Result<Type, ConditionError> {
    let equality = matches!(compare, Compare::Eq | Compare::Ne);
    let alike = a == b || (a.is_number() && b.is_number());
    let unknown = a == Type::Unknown || b == Type::Unknown;
    if !equality && [a, b].contains(&Type::Null) {
        return Err(ConditionError::new(at, "null has no order; compare it with == or != only"));
    }
    if alike || unknown {
        return Ok(Type::Bool);
    }
    let follows = if equality { "are never equal" } else { "have no order" };
    let error = ConditionError::new(at, format!("{} and {} {follows}", a.said(), b.said()));
    let quoted = (a.is_number() && b == Type::Text) || (b.is_number() && a == Type::Text);
    Err(if quoted { error.hint("write the number without quotes") } else { error })
}

fn arithmetic(at: usize, arith: Arith, a: &Ast, b: &Ast) -> Result<Type, ConditionError> {
    let numbers = [Type::Int, Type::Float];
    let (a, b) = (need(a, &numbers, "arithmetic needs")?, need(b, &numbers, "arithmetic needs")?);
    if a.is_number() && b.is_number() && a != b {
        return Err(ConditionError::new(
            at,
            "whole numbers and fractions do not mix in arithmetic, as in CEL",
        )
        .hint("write the whole number with a fraction, such as 2.0, or convert it: double(…)"));
    }
    if arith == Arith::Rem && [a, b].contains(&Type::Float) {
        return Err(ConditionError::new(at, "`%` needs whole numbers, as in CEL"));
    }
    Ok(if a == Type::Unknown { b } else { a })
}
