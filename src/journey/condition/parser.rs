//! Tokens to tree, by CEL's precedence: `?:`, `||`, `&&`, comparisons and `in`, `+ -`, `* / %`, `! -`,
//! members.

use super::lexer::{Spanned, Token, not_a_number, tokens};
use super::syntax::{Arith, Ast, Compare, Const, Kind, TextTest, too_deep};
use super::{ConditionError, DEPTH_MAX, NODES_MAX, Root};

/// How far a word may be from the right one to be taken for a slip of the finger.
const NEAR: f64 = 0.7;

const FUNCTIONS: &str = "has(path), size(text), double(number), text.startsWith(text), \
                         text.endsWith(text) and text.contains(text)";

pub(super) fn parse(text: &str) -> Result<Ast, ConditionError> {
    let tokens = tokens(text)?;
    if tokens.len() == 1 {
        return Err(ConditionError::new(0, "the condition is empty")
            .hint("leave it out to let everybody through, or write one such as properties.value > 0"));
    }
    let mut parser = Parser { tokens: &tokens, next: 0, nesting: 0, nodes: 0 };
    let ast = parser.ternary()?;
    match parser.peek() {
        Token::End => Ok(ast),
        token => Err(trailing(token, parser.at())),
    }
}

struct Parser<'a> {
    tokens: &'a [Spanned],
    next: usize,
    /// Open brackets and signs: bounds the parser's own recursion before there is a tree to measure.
    nesting: usize,
    nodes: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> &'a Token {
        &self.tokens[self.next].0
    }

    fn at(&self) -> usize {
        self.tokens[self.next].1
    }

    /// Goes on by one token; the last one, `End`, stays.
    fn bump(&mut self) -> &'a Token {
        let token = self.peek();
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        token
    }

    fn eat(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Token::Sign(s) if *s == sign);
        if found {
            self.bump();
        }
        found
    }

    fn expect(&mut self, sign: &str, what: &str) -> Result<(), ConditionError> {
        if self.eat(sign) {
            return Ok(());
        }
        Err(ConditionError::new(self.at(), format!("here {what} needs {sign:?}, not {}", said(self.peek()))))
    }

    fn node(&mut self, at: usize, kind: Kind) -> Result<Ast, ConditionError> {
        self.count(at)?;
        Ast::new(at, kind)
    }

    fn count(&mut self, at: usize) -> Result<(), ConditionError> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(ConditionError::new(
                at,
                format!(
                    "this condition has more than {NODES_MAX} literals, paths and operators, the most \
                     that is allowed"
                ),
            ));
        }
        Ok(())
    }

    fn nested<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<T, ConditionError>,
    ) -> Result<T, ConditionError> {
        self.nesting += 1;
        if self.nesting > DEPTH_MAX {
            return Err(too_deep(self.at()));
        }
        let parsed = parse(self);
        self.nesting -= 1;
        parsed
    }

    fn ternary(&mut self) -> Result<Ast, ConditionError> {
        let at = self.at();
        let condition = self.any()?;
        if !self.eat("?") {
            return Ok(condition);
        }
        let (yes, no) = self.nested(|parser| {
            let yes = parser.any()?;
            parser.expect(":", "the choice `a ? b : c`")?;
            Ok((yes, parser.ternary()?))
        })?;
        self.node(at, Kind::If(Box::new(condition), Box::new(yes), Box::new(no)))
    }

    fn any(&mut self) -> Result<Ast, ConditionError> {
        self.chain("||", Self::all, Kind::Any)
    }

    fn all(&mut self) -> Result<Ast, ConditionError> {
        self.chain("&&", Self::relation, Kind::All)
    }

    fn chain(
        &mut self,
        sign: &str,
        operand: fn(&mut Self) -> Result<Ast, ConditionError>,
        kind: fn(Vec<Ast>) -> Kind,
    ) -> Result<Ast, ConditionError> {
        let at = self.at();
        let first = operand(self)?;
        if !matches!(self.peek(), Token::Sign(s) if *s == sign) {
            return Ok(first);
        }
        let mut operands = vec![first];
        while self.eat(sign) {
            operands.push(operand(self)?);
        }
        self.node(at, kind(operands))
    }

    fn relation(&mut self) -> Result<Ast, ConditionError> {
        let at = self.at();
        let mut left = self.sum()?;
        loop {
            let compare = match self.peek() {
                Token::Sign("==") => Compare::Eq,
                Token::Sign("!=") => Compare::Ne,
                Token::Sign("<") => Compare::Lt,
                Token::Sign("<=") => Compare::Le,
                Token::Sign(">") => Compare::Gt,
                Token::Sign(">=") => Compare::Ge,
                Token::Name(name) if name == "in" => {
                    self.bump();
                    let list = self.list()?;
                    left = self.node(at, Kind::In(Box::new(left), list))?;
                    continue;
                }
                _ => return Ok(left),
            };
            self.bump();
            let right = self.sum()?;
            left = self.node(at, Kind::Compare(compare, Box::new(left), Box::new(right)))?;
        }
    }

    fn list(&mut self) -> Result<Vec<Const>, ConditionError> {
        self.expect("[", "`in`, which looks into a list of literals such as [\"gold\", \"silver\"],")?;
        let mut list = Vec::new();
        while !self.eat("]") {
            let at = self.at();
            let element = self.unary()?;
            let Kind::Const(literal) = element.kind else {
                return Err(ConditionError::new(at, "the list of `in` holds literals only")
                    .hint("compare with == instead, joined by ||"));
            };
            list.push(literal);
            if !self.eat(",") {
                self.expect("]", "the list of `in`, after an element,")?;
                break;
            }
        }
        Ok(list)
    }

    fn sum(&mut self) -> Result<Ast, ConditionError> {
        self.arithmetic(&[("+", Arith::Add), ("-", Arith::Sub)], Self::product)
    }

    fn product(&mut self) -> Result<Ast, ConditionError> {
        self.arithmetic(&[("*", Arith::Mul), ("/", Arith::Div), ("%", Arith::Rem)], Self::unary)
    }

    fn arithmetic(
        &mut self,
        signs: &[(&str, Arith)],
        operand: fn(&mut Self) -> Result<Ast, ConditionError>,
    ) -> Result<Ast, ConditionError> {
        let at = self.at();
        let mut left = operand(self)?;
        while let Some((_, arith)) = signs.iter().find(|(sign, _)| self.eat(sign)) {
            let right = operand(self)?;
            left = self.node(at, Kind::Arith(*arith, Box::new(left), Box::new(right)))?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Ast, ConditionError> {
        let at = self.at();
        if self.eat("!") {
            let operand = self.nested(Self::unary)?;
            return self.node(at, Kind::Not(Box::new(operand)));
        }
        if !self.eat("-") {
            return self.member();
        }
        match self.peek() {
            Token::Whole(n) => {
                let n = 0i64.checked_sub_unsigned(*n).ok_or_else(|| not_a_number(at, "-"))?;
                self.bump();
                self.node(at, Kind::Const(Const::Int(n)))
            }
            Token::Literal(Const::Float(bits)) => {
                self.bump();
                self.node(at, Kind::Const(Const::Float((-f64::from_bits(*bits)).to_bits())))
            }
            _ => {
                let operand = self.nested(Self::unary)?;
                self.node(at, Kind::Neg(Box::new(operand)))
            }
        }
    }

    /// A primary, followed by the calls that a text knows.
    fn member(&mut self) -> Result<Ast, ConditionError> {
        let at = self.at();
        let mut ast = self.primary()?;
        loop {
            if matches!(self.peek(), Token::Sign("[")) {
                return Err(ConditionError::new(
                    self.at(),
                    "only a path has brackets, such as properties[\"odd name\"]",
                ));
            }
            if !self.eat(".") {
                return Ok(ast);
            }
            let (name, name_at) = self.name("after a dot")?;
            let test = text_test(name).ok_or_else(|| unknown_function(name, name_at))?;
            ast = self.text_call(at, test, name, ast)?;
        }
    }

    fn text_call(&mut self, at: usize, test: TextTest, name: &str, text: Ast) -> Result<Ast, ConditionError> {
        self.expect("(", name)?;
        let argument = self.nested(Self::ternary)?;
        self.expect(")", &format!("{name}, which takes one text,"))?;
        self.node(at, Kind::Text(test, Box::new(text), Box::new(argument)))
    }

    fn primary(&mut self) -> Result<Ast, ConditionError> {
        let at = self.at();
        match self.bump() {
            Token::Literal(literal) => self.node(at, Kind::Const(literal.clone())),
            Token::Whole(n) => {
                let n = i64::try_from(*n).map_err(|_| not_a_number(0, "9223372036854775808"))?;
                self.node(at, Kind::Const(Const::Int(n)))
            }
            Token::Sign("(") => {
                let inner = self.nested(Self::ternary)?;
                self.expect(")", "the bracket opened before")?;
                Ok(inner)
            }
            Token::Sign("[") => Err(ConditionError::new(at, "a list may only stand after `in`")
                .hint("write: user.tier in [\"gold\", \"silver\"]")),
            Token::Name(name) => self.named(name, at),
            token => Err(ConditionError::new(
                at,
                format!("here a literal, a path or a function is needed, not {}", said(token)),
            )),
        }
    }

    fn named(&mut self, name: &str, at: usize) -> Result<Ast, ConditionError> {
        if let Some(root) = Root::ALL.into_iter().find(|root| root.as_str() == name) {
            return self.path(root, at);
        }
        if !matches!(self.peek(), Token::Sign("(")) {
            return Err(unknown_root(name, at));
        }
        self.bump();
        let kind = match name {
            "has" => self.has()?,
            "size" => Kind::Size(Box::new(self.nested(Self::ternary)?)),
            "double" => Kind::Double(Box::new(self.nested(Self::ternary)?)),
            _ => return Err(unknown_function(name, at)),
        };
        self.expect(")", &format!("{name}, which takes one argument,"))?;
        self.node(at, kind)
    }

    fn has(&mut self) -> Result<Kind, ConditionError> {
        let at = self.at();
        match self.nested(Self::ternary)?.kind {
            Kind::Path(root, path) => Ok(Kind::Has(root, path)),
            _ => Err(ConditionError::new(at, "has takes a path, such as has(properties.coupon)")),
        }
    }

    /// The segments after a root, up to a text's call.
    fn path(&mut self, root: Root, at: usize) -> Result<Ast, ConditionError> {
        let mut path = String::new();
        loop {
            let segment = if self.eat("[") {
                self.bracketed()?
            } else if matches!(self.peek(), Token::Sign(".")) && !self.call_follows() {
                self.bump();
                self.name("after a dot")?.0
            } else {
                break;
            };
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(segment);
        }
        if path.is_empty() {
            return Err(ConditionError::new(at, format!("{root} alone is no value; name what is meant"))
                .hint(format!("write {root}.name or {root}[\"odd name\"]")));
        }
        self.node(at, Kind::Path(root, path))
    }

    /// Whether `.name(` comes next.
    fn call_follows(&self) -> bool {
        let after = |n: usize| self.tokens.get(self.next + n).map(|(token, _)| token);
        matches!((after(1), after(2)), (Some(Token::Name(_)), Some(Token::Sign("("))))
    }

    fn bracketed(&mut self) -> Result<&'a str, ConditionError> {
        let at = self.at();
        let Token::Literal(Const::Text(name)) = self.bump() else {
            return Err(ConditionError::new(at, "in the brackets of a path stands a name in quotes")
                .hint("lists cannot be indexed; write properties[\"odd name\"]"));
        };
        if name.is_empty() || name.contains('.') {
            let message = format!("{name:?} cannot name a property here: it is empty or has a dot");
            return Err(ConditionError::new(at, message)
                .hint("a dot leads into an object: properties.address.city; send such names without dots"));
        }
        self.expect("]", "a path's bracket")?;
        Ok(name)
    }

    fn name(&mut self, place: &str) -> Result<(&'a str, usize), ConditionError> {
        let at = self.at();
        match self.bump() {
            Token::Name(name) if name != "in" => Ok((name, at)),
            token => Err(ConditionError::new(at, format!("{place} a name is needed, not {}", said(token)))
                .hint(
                    "a name with blanks, other signs or a reserved word is written in brackets: \
                       properties[\"odd name\"]",
                )),
        }
    }
}

fn text_test(name: &str) -> Option<TextTest> {
    match name {
        "startsWith" => Some(TextTest::StartsWith),
        "endsWith" => Some(TextTest::EndsWith),
        "contains" => Some(TextTest::Contains),
        _ => None,
    }
}

fn unknown_root(name: &str, at: usize) -> ConditionError {
    let error = ConditionError::new(
        at,
        format!(
            "{name:?} is unknown; a path starts with properties, user or entry, and a text stands in quotes"
        ),
    );
    let word = match name {
        "and" | "AND" => "&&".to_owned(),
        "or" | "OR" => "||".to_owned(),
        "not" | "NOT" => "!".to_owned(),
        "True" | "TRUE" => "true".to_owned(),
        "False" | "FALSE" => "false".to_owned(),
        "None" | "nil" | "NULL" | "undefined" => "null".to_owned(),
        "event" | "e" => "properties".to_owned(),
        _ => match nearest(name, &Root::ALL.map(Root::as_str)) {
            Some(root) => root.to_owned(),
            None => format!("properties.{name}, user.{name} or \"{name}\""),
        },
    };
    error.hint(format!("write {word}"))
}

fn unknown_function(name: &str, at: usize) -> ConditionError {
    let known = ["has", "size", "double", "startsWith", "endsWith", "contains"];
    let error = ConditionError::new(at, format!("{name:?} is no function here; there are {FUNCTIONS}"));
    match nearest(name, &known) {
        Some(right) => error.hint(format!("write {right}")),
        None if name == "matches" => error.hint("a pattern is often a startsWith, an endsWith or a contains"),
        None if name == "int" || name == "uint" => error.hint("compare without converting: 1 == 1.0 holds"),
        None => error,
    }
}

fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase();
    known
        .iter()
        .map(|right| (strsim::jaro_winkler(&word, &right.to_lowercase()), *right))
        .filter(|(likeness, _)| *likeness > NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, right)| right)
}

fn trailing(token: &Token, at: usize) -> ConditionError {
    let error =
        ConditionError::new(at, format!("here the condition should end, not go on with {}", said(token)));
    match token {
        Token::Name(name) if name.eq_ignore_ascii_case("and") => error.hint("write &&"),
        Token::Name(name) if name.eq_ignore_ascii_case("or") => error.hint("write ||"),
        Token::Sign(")") => error.hint("there is one closing bracket too many"),
        _ => error.hint("join two conditions with && or ||"),
    }
}

/// A token as a sentence names it.
fn said(token: &Token) -> String {
    match token {
        Token::End => "the end".to_owned(),
        Token::Sign(sign) => format!("{sign:?}"),
        Token::Name(name) => format!("the name {name:?}"),
        Token::Whole(n) => n.to_string(),
        Token::Literal(Const::Null) => "null".to_owned(),
        Token::Literal(Const::Bool(b)) => b.to_string(),
        Token::Literal(Const::Int(n)) => n.to_string(),
        Token::Literal(Const::Float(bits)) => f64::from_bits(*bits).to_string(),
        Token::Literal(Const::Text(text)) => format!("the text {text:?}"),
    }
}
