//! The frame on a terminal, drawn anew as answers come, until a key or a signal; then the terminal as it was.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::frame;
use super::poll::Polls;
use super::view::{Seen, Span};
use crate::cli::TopArgs;

/// How long a key, a signal or an answer may wait to be seen.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How far a page goes.
const PAGE: u16 = 10;

/// Until the user has seen enough, or the terminal is gone.
///
/// # Errors
/// If it cannot be made ready or written to; it is left as it was all the same.
pub(super) fn run(args: &TopArgs) -> io::Result<()> {
    let ended = Arc::new(AtomicBool::new(false));
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&ended))?;
    }
    let polls = Polls::start(&args.instances, super::EVERY)?;
    // A panic leaves the terminal as it was, too: that is in its hook from here on.
    let shown = ratatui::try_init().and_then(|terminal| show(terminal, args, &polls, &ended));
    // Also if it was made ready by half; if that fails it is gone.
    let restored = ratatui::try_restore();
    shown.and(restored)
}

fn show(mut terminal: DefaultTerminal, args: &TopArgs, polls: &Polls, ended: &AtomicBool) -> io::Result<()> {
    let (mut seen, mut top, mut stale) = (Seen::new(&args.instances), 0, true);
    while !ended.load(Ordering::Relaxed) {
        while let Some((instance, answer)) = polls.next(Duration::ZERO) {
            seen.take(instance, answer);
            stale = true;
        }
        if stale {
            let lines = lines(&seen);
            let most = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_sub(terminal.size()?.height);
            top = top.min(most);
            terminal
                .draw(|frame| frame.render_widget(Paragraph::new(lines).scroll((top, 0)), frame.area()))?;
            stale = false;
        }
        if !event::poll(LOOK_EVERY)? {
            continue;
        }
        match event::read()? {
            Event::Key(key) if key.kind != KeyEventKind::Release => match meant(key) {
                Some(Meant::End) => return Ok(()),
                Some(Meant::Move(by)) => {
                    top = top.saturating_add_signed(by);
                    stale = true;
                }
                None => {}
            },
            Event::Resize(..) => stale = true,
            _ => {}
        }
    }
    Ok(())
}

fn lines(seen: &Seen) -> Vec<Line<'static>> {
    let mut lines = frame::lines(&seen.view(Span::Window));
    lines.push(Line::default());
    lines.push(Line::from("q ends, ↑ ↓ PgUp PgDn move"));
    lines
}

/// What a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meant {
    End,
    /// By so many lines, down if positive.
    Move(i16),
}

fn meant(key: KeyEvent) -> Option<Meant> {
    Some(match key.code {
        KeyCode::Char('q') | KeyCode::Esc => Meant::End,
        // The terminal is raw: it makes no signal of it.
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Meant::End,
        KeyCode::Down => Meant::Move(1),
        KeyCode::Up => Meant::Move(-1),
        KeyCode::PageDown => Meant::Move(PAGE.cast_signed()),
        KeyCode::PageUp => Meant::Move(-PAGE.cast_signed()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q_escape_and_control_c_end_it_and_no_other_key_does() {
        for (code, modifiers, what) in [
            (KeyCode::Char('q'), KeyModifiers::NONE, Some(Meant::End)),
            (KeyCode::Esc, KeyModifiers::NONE, Some(Meant::End)),
            (KeyCode::Char('c'), KeyModifiers::CONTROL, Some(Meant::End)),
            (KeyCode::Char('c'), KeyModifiers::NONE, None),
            (KeyCode::PageDown, KeyModifiers::NONE, Some(Meant::Move(10))),
            (KeyCode::Up, KeyModifiers::NONE, Some(Meant::Move(-1))),
        ] {
            assert_eq!(meant(KeyEvent::new(code, modifiers)), what, "{code:?} {modifiers:?}");
        }
    }
}
