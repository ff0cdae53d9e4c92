//! The tree of a parsed condition. Limits are kept while it grows, so a tree that exists is within them.

use super::{ConditionError, DEPTH_MAX, Root};

/// A literal; fractions by their bits, so that programs can be compared and hashed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Const {
    Null,
    Bool(bool),
    Int(i64),
    Float(u64),
    Text(Box<str>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Compare {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Compare {
    /// The same comparison with its sides exchanged.
    pub(super) const fn flipped(self) -> Self {
        match self {
            Self::Eq => Self::Eq,
            Self::Ne => Self::Ne,
            Self::Lt => Self::Gt,
            Self::Le => Self::Ge,
            Self::Gt => Self::Lt,
            Self::Ge => Self::Le,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Arith {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum TextTest {
    StartsWith,
    EndsWith,
    Contains,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Const(Const),
    Path(Root, String),
    Has(Root, String),
    Not(Box<Ast>),
    Neg(Box<Ast>),
    Size(Box<Ast>),
    Double(Box<Ast>),
    /// `&&` over two or more: absorption of errors is associative, so a chain is one node and does not nest.
    All(Vec<Ast>),
    /// `||` over two or more.
    Any(Vec<Ast>),
    Compare(Compare, Box<Ast>, Box<Ast>),
    Arith(Arith, Box<Ast>, Box<Ast>),
    Text(TextTest, Box<Ast>, Box<Ast>),
    In(Box<Ast>, Vec<Const>),
    If(Box<Ast>, Box<Ast>, Box<Ast>),
}

/// A node, the byte at which it starts, and how deep it is (a leaf has 1).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ast {
    pub(super) kind: Kind,
    pub(super) at: usize,
    depth: usize,
}

impl Ast {
    pub(super) fn new(at: usize, kind: Kind) -> Result<Self, ConditionError> {
        let mut ast = Self { kind, at, depth: 0 };
        let mut deepest = 0;
        ast.each_child(&mut |child| deepest = deepest.max(child.depth));
        ast.depth = deepest + 1;
        if ast.depth > DEPTH_MAX { Err(too_deep(at)) } else { Ok(ast) }
    }

    /// Visits this node and all below it, in the order of the text.
    pub(super) fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Ast)) {
        visit(self);
        self.each_child(&mut |child| child.walk(visit));
    }

    /// The path that this node reads, if it reads one itself.
    pub(super) fn path(&self) -> Option<(Root, &str)> {
        match &self.kind {
            Kind::Path(root, path) | Kind::Has(root, path) => Some((*root, path)),
            _ => None,
        }
    }

    fn each_child<'a>(&'a self, visit: &mut dyn FnMut(&'a Ast)) {
        match &self.kind {
            Kind::Const(_) | Kind::Path(..) | Kind::Has(..) => {}
            Kind::Not(a) | Kind::Neg(a) | Kind::Size(a) | Kind::Double(a) | Kind::In(a, _) => visit(a),
            Kind::All(all) | Kind::Any(all) => all.iter().for_each(visit),
            Kind::Compare(_, a, b) | Kind::Arith(_, a, b) | Kind::Text(_, a, b) => {
                visit(a);
                visit(b);
            }
            Kind::If(a, b, c) => [a, b, c].into_iter().for_each(|child| visit(child)),
        }
    }
}

pub(super) fn too_deep(at: usize) -> ConditionError {
    ConditionError::new(at, format!("this nests deeper than {DEPTH_MAX} levels, the most that is allowed"))
        .hint("split the condition over several nodes, or join alternatives with `in [ … ]`")
}
