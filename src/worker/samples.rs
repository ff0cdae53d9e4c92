//! The journey that the tests of the steward and of the directory of journeys give.

/// A journey of CleverTap that greets whoever enters; `entry` are the lines under `[entry]`.
pub(super) fn greeting(id: &str, entry: &str) -> String {
    format!(
        r#"
        id = "{id}"
        dialect = "clevertap"
        zone = "UTC"
        [entry]
        {entry}
        [content.hello]
        text = "hello"
        [[node]]
        id = "hello"
        type = "send"
        channel = "push"
        content = "hello"
        next = "exit"
        "#
    )
}
