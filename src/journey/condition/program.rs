//! A compiled condition: one flat array of operations, operands by index, evaluated without allocating.
//!
//! [`Value::Missing`] is the error token of evaluation: reading an absent property gives it, every operation
//! on it gives it again, and only `has`, `&&` and `||` look at it. So there is no second channel for errors.

use std::cmp::Ordering;

use super::syntax::{Arith, Ast, Compare, Const, Kind, TextTest};
use super::{Binder, NODES_MAX, Root, Scope, Verdict};
use crate::model::Value;

/// Operands and literals are addressed with 16 bits.
const _: () = assert!(NODES_MAX < u16::MAX as usize);

type Index = u16;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Op {
    Const(Index),
    Slot(Root, u16),
    Has(Root, u16),
    Not(Index),
    Neg(Index),
    Size(Index),
    Double(Index),
    /// Over `len` entries of `lists` from `start`.
    All {
        start: Index,
        len: Index,
    },
    /// As [`Op::All`].
    Any {
        start: Index,
        len: Index,
    },
    /// The commonest shape, a path against a literal, in one step.
    CompareSlot {
        compare: Compare,
        root: Root,
        slot: u16,
        literal: Index,
    },
    Compare(Compare, Index, Index),
    Arith(Arith, Index, Index),
    Text(TextTest, Index, Index),
    /// Against `len` literals from `start`.
    In {
        value: Index,
        start: Index,
        len: Index,
    },
    If(Index, Index, Index),
}

/// A condition over dense slots. Equal programs give equal verdicts, so one evaluation an event serves them
/// all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Program {
    /// Operands before the operations that use them; the last is the whole.
    ops: Box<[Op]>,
    literals: Box<[Const]>,
    lists: Box<[Index]>,
}

impl Program {
    pub(super) fn compile(ast: &Ast, binder: &mut dyn Binder) -> Self {
        let mut compiler = Compiler { binder, ops: Vec::new(), literals: Vec::new(), lists: Vec::new() };
        compiler.add(ast);
        Self { ops: compiler.ops.into(), literals: compiler.literals.into(), lists: compiler.lists.into() }
    }

    /// What the condition says of these values. Costs about 10 ns a comparison, and allocates nothing.
    pub fn eval<S: Scope>(&self, scope: &S) -> Verdict {
        Run { program: self, scope }.truth(index(self.ops.len() - 1))
    }
}

struct Compiler<'a> {
    binder: &'a mut dyn Binder,
    ops: Vec<Op>,
    literals: Vec<Const>,
    lists: Vec<Index>,
}

fn index(n: usize) -> Index {
    Index::try_from(n).expect("a condition's limits keep its indexes within 16 bits")
}

impl Compiler<'_> {
    fn add(&mut self, ast: &Ast) -> Index {
        let op = match &ast.kind {
            Kind::Const(literal) => Op::Const(self.literal(literal)),
            Kind::Path(root, path) => Op::Slot(*root, self.binder.bind(*root, path)),
            Kind::Has(root, path) => Op::Has(*root, self.binder.bind(*root, path)),
            Kind::Not(a) => Op::Not(self.add(a)),
            Kind::Neg(a) => Op::Neg(self.add(a)),
            Kind::Size(a) => Op::Size(self.add(a)),
            Kind::Double(a) => Op::Double(self.add(a)),
            Kind::All(all) => {
                let (start, len) = self.operands(all);
                Op::All { start, len }
            }
            Kind::Any(all) => {
                let (start, len) = self.operands(all);
                Op::Any { start, len }
            }
            Kind::Compare(compare, a, b) => self.compare(*compare, a, b),
            Kind::Arith(arith, a, b) => Op::Arith(*arith, self.add(a), self.add(b)),
            Kind::Text(test, a, b) => Op::Text(*test, self.add(a), self.add(b)),
            Kind::In(value, list) => {
                let value = self.add(value);
                let start = index(self.literals.len());
                self.literals.extend(list.iter().cloned());
                Op::In { value, start, len: index(list.len()) }
            }
            Kind::If(condition, a, b) => Op::If(self.add(condition), self.add(a), self.add(b)),
        };
        self.ops.push(op);
        index(self.ops.len() - 1)
    }

    fn literal(&mut self, literal: &Const) -> Index {
        self.literals.push(literal.clone());
        index(self.literals.len() - 1)
    }

    fn operands(&mut self, all: &[Ast]) -> (Index, Index) {
        let added: Vec<Index> = all.iter().map(|operand| self.add(operand)).collect();
        let start = index(self.lists.len());
        self.lists.extend(added);
        (start, index(all.len()))
    }

    /// `0 < x` becomes `x > 0`: shorter to evaluate, and equal to it.
    fn compare(&mut self, compare: Compare, a: &Ast, b: &Ast) -> Op {
        let (compare, path, literal) = match (&a.kind, &b.kind) {
            (Kind::Path(root, path), Kind::Const(literal)) => (compare, (*root, path), literal),
            (Kind::Const(literal), Kind::Path(root, path)) => (compare.flipped(), (*root, path), literal),
            _ => return Op::Compare(compare, self.add(a), self.add(b)),
        };
        let slot = self.binder.bind(path.0, path.1);
        Op::CompareSlot { compare, root: path.0, slot, literal: self.literal(literal) }
    }
}

struct Run<'a, S> {
    program: &'a Program,
    scope: &'a S,
}

impl<'a, S: Scope> Run<'a, S> {
    fn truth(&self, at: Index) -> Verdict {
        match self.program.ops[usize::from(at)] {
            Op::CompareSlot { compare, root, slot, literal } => {
                compared(compare, self.scope.value(root, slot), self.literal(literal))
            }
            Op::All { start, len } => self.joined(start, len, Verdict::False, Verdict::True),
            Op::Any { start, len } => self.joined(start, len, Verdict::True, Verdict::False),
            Op::Compare(compare, a, b) => compared(compare, self.value(a), self.value(b)),
            Op::Has(root, slot) => Verdict::from(self.scope.value(root, slot) != Value::Missing),
            Op::Not(a) => match self.truth(a) {
                Verdict::True => Verdict::False,
                Verdict::False => Verdict::True,
                Verdict::Error => Verdict::Error,
            },
            Op::Text(test, a, b) => match (self.value(a), self.value(b)) {
                (Value::Str(text), Value::Str(part)) => Verdict::from(match test {
                    TextTest::StartsWith => text.starts_with(part),
                    TextTest::EndsWith => text.ends_with(part),
                    TextTest::Contains => text.contains(part),
                }),
                _ => Verdict::Error,
            },
            Op::In { value, start, len } => self.listed(self.value(value), start, len),
            Op::If(condition, a, b) => match self.truth(condition) {
                Verdict::True => self.truth(a),
                Verdict::False => self.truth(b),
                Verdict::Error => Verdict::Error,
            },
            Op::Const(_) | Op::Slot(..) | Op::Neg(_) | Op::Size(_) | Op::Double(_) | Op::Arith(..) => {
                match self.value(at) {
                    Value::Bool(truth) => Verdict::from(truth),
                    _ => Verdict::Error,
                }
            }
        }
    }

    /// `&&` and `||`: an operand that `decides` settles it, whatever failed beside it; else a failure stays
    /// one.
    fn joined(&self, start: Index, len: Index, decides: Verdict, neutral: Verdict) -> Verdict {
        let mut so_far = neutral;
        for &operand in &self.program.lists[usize::from(start)..][..usize::from(len)] {
            let verdict = self.truth(operand);
            if verdict == decides {
                return decides;
            }
            if verdict == Verdict::Error {
                so_far = Verdict::Error;
            }
        }
        so_far
    }

    fn listed(&self, value: Value<'_>, start: Index, len: Index) -> Verdict {
        if value == Value::Missing {
            return Verdict::Error;
        }
        let list = &self.program.literals[usize::from(start)..][..usize::from(len)];
        Verdict::from(
            list.iter().any(|literal| compared(Compare::Eq, value, literal.value()) == Verdict::True),
        )
    }

    fn value(&self, at: Index) -> Value<'a> {
        match self.program.ops[usize::from(at)] {
            Op::Const(literal) => self.literal(literal),
            Op::Slot(root, slot) => self.scope.value(root, slot),
            Op::Neg(a) => match self.value(a) {
                Value::Int(n) => n.checked_neg().map_or(Value::Missing, Value::Int),
                Value::Float(n) => Value::Float(-n),
                _ => Value::Missing,
            },
            Op::Size(a) => match self.value(a) {
                Value::Str(text) => i64::try_from(text.chars().count()).map_or(Value::Missing, Value::Int),
                _ => Value::Missing,
            },
            Op::Double(a) => match self.value(a) {
                Value::Int(n) => Value::Float(n as f64),
                Value::Float(n) => Value::Float(n),
                _ => Value::Missing,
            },
            Op::Arith(arith, a, b) => calculated(arith, self.value(a), self.value(b)),
            Op::If(condition, a, b) => match self.truth(condition) {
                Verdict::True => self.value(a),
                Verdict::False => self.value(b),
                Verdict::Error => Value::Missing,
            },
            _ => match self.truth(at) {
                Verdict::True => Value::Bool(true),
                Verdict::False => Value::Bool(false),
                Verdict::Error => Value::Missing,
            },
        }
    }

    fn literal(&self, at: Index) -> Value<'a> {
        self.program.literals[usize::from(at)].value()
    }
}

impl Const {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Bool(b) => Value::Bool(*b),
            Self::Int(n) => Value::Int(*n),
            Self::Float(bits) => Value::Float(f64::from_bits(*bits)),
            Self::Text(text) => Value::Str(text),
        }
    }
}

fn compared(compare: Compare, a: Value<'_>, b: Value<'_>) -> Verdict {
    let order = match (a, b) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(&b)),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(&b),
        // As CEL's implementations do: the whole number is rounded to a double first.
        (Value::Int(a), Value::Float(b)) => (a as f64).partial_cmp(&b),
        (Value::Float(a), Value::Int(b)) => a.partial_cmp(&(b as f64)),
        (Value::Str(a), Value::Str(b)) if matches!(compare, Compare::Eq | Compare::Ne) => {
            return Verdict::from((a == b) == (compare == Compare::Eq));
        }
        (Value::Str(a), Value::Str(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(&b)),
        (Value::Missing, _) | (_, Value::Missing) | (Value::Composite, Value::Composite) => {
            return Verdict::Error;
        }
        (Value::Null, Value::Null) => {
            return match compare {
                Compare::Eq => Verdict::True,
                Compare::Ne => Verdict::False,
                Compare::Lt | Compare::Le | Compare::Gt | Compare::Ge => Verdict::Error,
            };
        }
        _ => None,
    };
    match (compare, order) {
        (Compare::Eq, order) => Verdict::from(order == Some(Ordering::Equal)),
        (Compare::Ne, order) => Verdict::from(order != Some(Ordering::Equal)),
        (_, None) => Verdict::Error,
        (Compare::Lt, Some(order)) => Verdict::from(order.is_lt()),
        (Compare::Le, Some(order)) => Verdict::from(order.is_le()),
        (Compare::Gt, Some(order)) => Verdict::from(order.is_gt()),
        (Compare::Ge, Some(order)) => Verdict::from(order.is_ge()),
    }
}

/// Whole with whole, checked; fraction with fraction, by IEEE 754; all else is an error, as in CEL.
fn calculated(arith: Arith, a: Value<'_>, b: Value<'_>) -> Value<'static> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => match arith {
            Arith::Add => a.checked_add(b),
            Arith::Sub => a.checked_sub(b),
            Arith::Mul => a.checked_mul(b),
            Arith::Div => a.checked_div(b),
            Arith::Rem => a.checked_rem(b),
        }
        .map_or(Value::Missing, Value::Int),
        (Value::Float(a), Value::Float(b)) => match arith {
            Arith::Add => Value::Float(a + b),
            Arith::Sub => Value::Float(a - b),
            Arith::Mul => Value::Float(a * b),
            Arith::Div => Value::Float(a / b),
            Arith::Rem => Value::Missing,
        },
        _ => Value::Missing,
    }
}
