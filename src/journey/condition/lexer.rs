//! Text to tokens: CEL's literals with its escapes, names and operators; everything else is refused by name.

use super::syntax::Const;
use super::{ConditionError, TEXT_BYTES_MAX};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Literal(Const),
    /// A whole number without its sign; at most 2^63, which only a minus before it makes a number of 64 bits.
    Whole(u64),
    Name(String),
    /// An operator or a bracket, as written.
    Sign(&'static str),
    End,
}

/// A token and the byte at which it starts.
pub(super) type Spanned = (Token, usize);

/// Longest first where one starts another.
const SIGNS: [&str; 22] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "+", "-", "*", "/", "%", "(", ")", "[", "]", ",", ".",
    "?", ":",
];

const ESCAPES: &str = r#"\\ \" \' \` \? \a \b \f \n \r \t \v \xHH \uHHHH \UHHHHHHHH and \OOO"#;

pub(super) fn tokens(text: &str) -> Result<Vec<Spanned>, ConditionError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(ConditionError::new(
            TEXT_BYTES_MAX,
            format!("this condition has {} bytes; at most {TEXT_BYTES_MAX} are allowed", text.len()),
        ));
    }
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blanks();
        let at = lexer.at;
        let token = lexer.token()?;
        let ended = token == Token::End;
        tokens.push((token, at));
        if ended {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn skip_blanks(&mut self) {
        loop {
            self.take_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0c'));
            if !self.rest().starts_with("//") {
                return;
            }
            self.take_while(|c| c != '\n');
        }
    }

    fn token(&mut self) -> Result<Token, ConditionError> {
        let Some(first) = self.peek() else { return Ok(Token::End) };
        let second = self.rest().chars().nth(1);
        match first {
            '"' | '\'' => self.string(false),
            'r' | 'R' if matches!(second, Some('"' | '\'')) => {
                self.at += 1;
                self.string(true)
            }
            'b' | 'B' if matches!(second, Some('"' | '\'')) => {
                Err(ConditionError::new(self.at, "bytes literals are not supported")
                    .hint("write a text: \"…\""))
            }
            '0'..='9' => self.number(),
            '.' if second.is_some_and(|c| c.is_ascii_digit()) => self.number(),
            'a'..='z' | 'A'..='Z' | '_' => {
                Ok(name(self.take_while(|c| c.is_ascii_alphanumeric() || c == '_')))
            }
            _ => self.sign(first),
        }
    }

    fn sign(&mut self, first: char) -> Result<Token, ConditionError> {
        if let Some(sign) = SIGNS.into_iter().find(|sign| self.rest().starts_with(sign)) {
            self.at += sign.len();
            return Ok(Token::Sign(sign));
        }
        let refused = ConditionError::new(self.at, format!("{first:?} has no meaning in a condition"));
        Err(match first {
            '=' => refused.hint("to compare, write =="),
            '&' => refused.hint("write &&"),
            '|' => refused.hint("write ||"),
            '“' | '”' | '‘' | '’' | '`' => {
                refused.hint("texts stand between straight quotes: \"…\" or '…'")
            }
            '{' => refused.hint("maps are not supported; compare single properties"),
            _ => refused,
        })
    }

    fn number(&mut self) -> Result<Token, ConditionError> {
        let at = self.at;
        let digits = |lexer: &mut Self| lexer.take_while(|c| c.is_ascii_digit()).len();
        if self.rest().starts_with("0x") || self.rest().starts_with("0X") {
            self.at += 2;
            let hex = self.take_while(|c| c.is_ascii_hexdigit());
            let value = u64::from_str_radix(hex, 16);
            self.number_ends(at)?;
            return whole_number(value.ok(), at, self.text);
        }
        digits(self);
        let mut whole = true;
        let fraction =
            self.rest().strip_prefix('.').is_some_and(|r| r.starts_with(|c: char| c.is_ascii_digit()));
        if fraction {
            whole = false;
            self.at += 1;
            digits(self);
        }
        if self.rest().starts_with(['e', 'E']) {
            whole = false;
            self.at += 1;
            if self.rest().starts_with(['+', '-']) {
                self.at += 1;
            }
            if digits(self) == 0 {
                return Err(not_a_number(at, &self.text[..self.at]));
            }
        }
        let written = &self.text[at..self.at];
        self.number_ends(at)?;
        if whole {
            return whole_number(written.parse().ok(), at, self.text);
        }
        match written.parse::<f64>() {
            Ok(n) if n.is_finite() => Ok(Token::Literal(Const::Float(n.to_bits()))),
            _ => Err(not_a_number(at, self.text)),
        }
    }

    fn number_ends(&self, at: usize) -> Result<(), ConditionError> {
        match self.peek() {
            Some('u' | 'U') => {
                Err(ConditionError::new(self.at, "unsigned literals such as 5u are not supported")
                    .hint(format!("write {}", &self.text[at..self.at])))
            }
            Some(c) if c.is_ascii_alphanumeric() || c == '_' => {
                Err(ConditionError::new(at, format!("a number is followed by {c:?} without an operator"))
                    .hint(
                        "a name that starts with a digit is written in brackets: properties[\"3d_secure\"]",
                    ))
            }
            _ => Ok(()),
        }
    }

    fn string(&mut self, raw: bool) -> Result<Token, ConditionError> {
        let start = self.at;
        let quote = self.peek().expect("the caller saw a quote");
        let triple: String = std::iter::repeat_n(quote, 3).collect();
        let many_lines = self.rest().starts_with(&triple);
        let close = if many_lines { triple } else { quote.to_string() };
        self.at += close.len();
        let mut text = String::new();
        loop {
            if self.rest().starts_with(&close) {
                self.at += close.len();
                return Ok(Token::Literal(Const::Text(text.into())));
            }
            match self.peek() {
                None => {
                    return Err(ConditionError::new(start, format!("this text has no closing {close}")));
                }
                Some('\n' | '\r') if !many_lines => {
                    return Err(ConditionError::new(start, "a text must end on its line").hint("write \\n"));
                }
                Some('\\') if !raw => text.push(self.escape()?),
                Some(c) => {
                    self.at += c.len_utf8();
                    text.push(c);
                }
            }
        }
    }

    /// One of CEL's escapes; the backslash is next.
    fn escape(&mut self) -> Result<char, ConditionError> {
        let start = self.at;
        let refused = || {
            ConditionError::new(start, format!("this is no escape; allowed are {ESCAPES}"))
                .hint("for a plain backslash write \\\\, or a raw text: r\"…\"")
        };
        self.at += 1;
        let letter = self.peek().ok_or_else(refused)?;
        let (skip, len, radix) = match letter {
            'x' | 'X' => (1, 2, 16),
            'u' => (1, 4, 16),
            'U' => (1, 8, 16),
            '0'..='3' => (0, 3, 8),
            _ => {
                self.at += letter.len_utf8();
                return plain_escape(letter).ok_or_else(refused);
            }
        };
        self.at += skip;
        let digits =
            self.rest().get(..len).filter(|d| d.chars().all(|c| c.is_digit(radix))).ok_or_else(refused)?;
        self.at += len;
        u32::from_str_radix(digits, radix).ok().and_then(char::from_u32).ok_or_else(refused)
    }
}

fn whole_number(number: Option<u64>, at: usize, text: &str) -> Result<Token, ConditionError> {
    match number {
        Some(n) if n <= i64::MIN.unsigned_abs() => Ok(Token::Whole(n)),
        _ => Err(not_a_number(at, text)),
    }
}

fn name(word: &str) -> Token {
    match word {
        "true" => Token::Literal(Const::Bool(true)),
        "false" => Token::Literal(Const::Bool(false)),
        "null" => Token::Literal(Const::Null),
        _ => Token::Name(word.to_owned()),
    }
}

fn plain_escape(letter: char) -> Option<char> {
    Some(match letter {
        '\\' | '"' | '\'' | '`' | '?' => letter,
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        _ => return None,
    })
}

pub(super) fn not_a_number(at: usize, text: &str) -> ConditionError {
    let written: String = text[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '.').collect();
    ConditionError::new(
        at,
        format!(
            "{written} is not a number here: whole numbers have 64 bits with a sign, others are finite \
             doubles"
        ),
    )
}
