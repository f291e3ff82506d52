//! Questions on the terminal, answered by lines.

use std::io;

use tokio::sync::mpsc;

/// What the person says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    /// This one.
    Yes,
    /// Not this one.
    No,
    /// This one and all that follow.
    All,
}

/// Asks one question at a time.
#[derive(Debug)]
pub(crate) struct Prompt {
    lines: mpsc::Receiver<String>,
    asked: bool,
}

impl Prompt {
    /// Reads the standard input from now on, on a thread that ends with the program.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(crate) fn start() -> io::Result<Self> {
        let (tell, lines) = mpsc::channel(1);
        std::thread::Builder::new().name("prompt".into()).spawn(move || {
            for line in io::stdin().lines() {
                let Ok(line) = line else { return };
                if tell.blocking_send(line).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { lines, asked: false })
    }

    /// Whether the question may be put now: false while another waits for its answer.
    pub(crate) const fn ask(&mut self) -> bool {
        !std::mem::replace(&mut self.asked, true)
    }

    /// The answer to the question. An end of the input is a no. May be dropped and called again at any time.
    pub(crate) async fn next(&mut self) -> Answer {
        if !self.asked {
            return std::future::pending().await;
        }
        let line = self.lines.recv().await;
        self.asked = false;
        line.map_or(Answer::No, |line| read(&line))
    }
}

fn read(line: &str) -> Answer {
    match line.trim().to_lowercase().as_str() {
        "" | "y" | "yes" => Answer::Yes,
        "a" | "all" => Answer::All,
        _ => Answer::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_one() {
        for (line, wanted) in [
            ("", Answer::Yes),
            (" Y \n", Answer::Yes),
            ("all", Answer::All),
            ("n", Answer::No),
            ("what?", Answer::No),
        ] {
            assert_eq!(read(line), wanted, "{line}");
        }
    }
}
