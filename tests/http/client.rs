//! A client that says exactly what it is told, good or bad, and reads the whole answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// A server's address.
#[derive(Clone, Copy)]
pub struct Client(pub SocketAddr);

/// What came back.
#[derive(Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Client {
    pub fn connect(self) -> TcpStream {
        let stream = TcpStream::connect(self.0).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// One request on a connection of its own; `headers` without their line ends.
    pub fn send(self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Answer {
        let mut stream = self.connect();
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.0);
        for header in headers {
            head.push_str(header);
            head.push_str("\r\n");
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        stream.write_all(head.as_bytes()).unwrap();
        // A server that refuses a body need not read it to its end.
        let _ = stream.write_all(body);
        answer(&mut stream)
    }

    pub fn get(self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    pub fn json(self, method: &str, path: &str, body: &str) -> Answer {
        self.send(method, path, &["content-type: application/json"], body.as_bytes())
    }

    /// Puts one of the sample journeys, which must succeed.
    pub fn put_sample(self, id: &str) {
        let file = format!("{}/config/journeys/{id}.toml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read(file).unwrap();
        let answer =
            self.send("PUT", &format!("/v1/journeys/{id}"), &["content-type: application/toml"], &text);
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

/// Reads an answer to the end of the connection.
pub fn answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    // The end may be a reset, if the server did not want all that was sent.
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer in {text:?}"));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap();
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

impl Answer {
    pub fn value(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }

    /// The error's code and sentence, with the shape of an error proven.
    pub fn error(&self) -> (String, String) {
        let value = self.value();
        let error = value["error"].as_object().unwrap_or_else(|| panic!("no error in {value}"));
        let known = ["code", "message", "problems", "allowed"];
        assert!(error.keys().all(|key| known.contains(&key.as_str())), "{value}");
        let text = |key: &str| error[key].as_str().unwrap().to_owned();
        assert!(self.head.contains("content-type: application/json"), "{}", self.head);
        (text("code"), text("message"))
    }
}
