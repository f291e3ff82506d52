//! What a person or a program sees of a transfer.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

/// From one report of progress to the next: on a terminal and as JSON, and as plain lines.
const OFTEN: Duration = Duration::from_millis(200);
const SELDOM: Duration = Duration::from_secs(5);

/// How things are said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    Terminal,
    Lines,
    Json,
}

/// Says things on the standard output, and progress on the standard error unless it is JSON.
#[derive(Debug)]
pub(crate) struct Output {
    form: Form,
    /// A line of progress stands on the terminal.
    shown: bool,
    measured: Option<(Instant, u64)>,
    rate: f64,
}

impl Output {
    /// For a person, or with `json` for a program.
    pub(crate) fn new(json: bool) -> Self {
        let form = match json {
            true => Form::Json,
            false if io::stderr().is_terminal() => Form::Terminal,
            false => Form::Lines,
        };
        Self { form, shown: false, measured: None, rate: 0.0 }
    }

    /// Whether a code to scan makes sense.
    pub(crate) fn draws(&self) -> bool {
        self.form != Form::Json && io::stdout().is_terminal()
    }

    /// Says that something has happened: the text to a person, the fields to a program. An empty text is not said.
    pub(crate) fn say(&mut self, event: &str, fields: Value, text: &str) {
        self.clear();
        let mut out = io::stdout().lock();
        // A reader that has had enough does not stop the transfer.
        let _ = match self.form {
            Form::Json => {
                let mut line = json!({ "event": event });
                if let (Value::Object(line), Value::Object(fields)) = (&mut line, fields) {
                    line.extend(fields);
                }
                writeln!(out, "{line}")
            }
            Form::Terminal | Form::Lines if text.is_empty() => Ok(()),
            Form::Terminal | Form::Lines => writeln!(out, "{text}"),
        };
        let _ = out.flush();
    }

    /// Nothing moves now: the rate begins anew.
    pub(crate) fn pause(&mut self) {
        self.measured = None;
        self.rate = 0.0;
    }

    /// Says how far all of it is, not more often than makes sense.
    pub(crate) fn progress(&mut self, done: u64, size: u64, what: &str) {
        let now = Instant::now();
        let Some((at, before)) = self.measured else {
            self.measured = Some((now, done));
            return;
        };
        let elapsed = now - at;
        if elapsed < if self.form == Form::Lines { SELDOM } else { OFTEN } {
            return;
        }
        self.measured = Some((now, done));
        let rate = amount(done.saturating_sub(before)) / elapsed.as_secs_f64();
        self.rate = if self.rate == 0.0 { rate } else { self.rate * 0.7 + rate * 0.3 };
        let left = (self.rate >= 1.0).then(|| amount(size.saturating_sub(done)) / self.rate);
        if self.form == Form::Json {
            let fields = json!({ "done": done, "size": size, "rate": self.rate.round(), "left": left.map(f64::round) });
            return self.say("progress", fields, "");
        }
        let percent = done.saturating_mul(100) / size.max(1);
        let left = left.map_or(String::new(), |left| format!("  {} left", duration(left)));
        let line = format!("{what}  {percent} % of {}  {}/s{left}", bytes(amount(size)), bytes(self.rate));
        let mut out = io::stderr().lock();
        let _ = if self.form == Form::Terminal {
            self.shown = true;
            write!(out, "\r\x1b[K{line}")
        } else {
            writeln!(out, "{line}")
        };
        let _ = out.flush();
    }

    /// Says how things are now, not more often than makes sense: as a line that stays in its place on a terminal.
    pub(crate) fn status(&mut self, fields: Value, line: &str) {
        let now = Instant::now();
        let often = if self.form == Form::Lines { SELDOM } else { Duration::ZERO };
        if self.measured.is_some_and(|(at, _)| now - at < often) {
            return;
        }
        self.measured = Some((now, 0));
        if self.form == Form::Json {
            return self.say("status", fields, "");
        }
        let mut out = io::stderr().lock();
        let _ = if self.form == Form::Terminal {
            self.shown = true;
            write!(out, "\r\x1b[K{line}")
        } else {
            writeln!(out, "{line}")
        };
        let _ = out.flush();
    }

    /// Asks on the terminal.
    pub(crate) fn ask(&mut self, question: &str) {
        self.clear();
        let mut out = io::stderr().lock();
        let _ = write!(out, "{question} ");
        let _ = out.flush();
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown to three digits")]
fn amount(bytes: u64) -> f64 {
    bytes as f64
}

/// A size for people.
pub(crate) fn size(count: u64) -> String {
    bytes(amount(count))
}

fn bytes(count: f64) -> String {
    let mut scaled = count;
    for unit in ["B", "kB", "MB", "GB"] {
        if scaled < 999.5 {
            return if unit == "B" || scaled >= 99.5 {
                format!("{scaled:.0} {unit}")
            } else {
                format!("{scaled:.1} {unit}")
            };
        }
        scaled /= 1000.0;
    }
    format!("{scaled:.1} TB")
}

fn duration(seconds: f64) -> String {
    let seconds = Duration::try_from_secs_f64(seconds.ceil()).unwrap_or(Duration::MAX).as_secs();
    match seconds {
        0..=59 => format!("{seconds} s"),
        60..=3599 => format!("{}:{:02} min", seconds / 60, seconds % 60),
        _ => format!("{}:{:02} h", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_short() {
        for (count, wanted) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (123_456, "123 kB"),
            (999_999, "1.0 MB"),
            (5_400_000_000, "5.4 GB"),
            (7_000_000_000_000, "7.0 TB"),
        ] {
            assert_eq!(size(count), wanted);
        }
        for (seconds, wanted) in [(0.2, "1 s"), (59.0, "59 s"), (61.0, "1:01 min"), (7260.0, "2:01 h")] {
            assert_eq!(duration(seconds), wanted);
        }
    }
}
