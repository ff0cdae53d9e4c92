//! Stories that the reference must tell as the contract does: the worked examples, and each rule by itself.

mod script;
mod worked_examples;
mod gates;
mod stop;
mod users;
mod random;
