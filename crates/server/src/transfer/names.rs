//! Names that come from the other side, made safe to write under on every system.

use std::path::{Path, PathBuf};

/// Bytes of one element of a path: leaves room for what is added to it.
const ELEMENT_MOST: usize = 200;
/// Folders in folders.
const DEPTH_MOST: usize = 32;

const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// A relative path that stays below the folder it is joined to: no `..`, nothing absolute, nothing hidden, no device,
/// no control or direction marks (which could make `exe.jpg` out of `gpj.exe`).
pub(crate) fn safe_path(name: &str) -> PathBuf {
    let elements = name.split(['/', '\\']).filter(|element| !matches!(*element, "" | "." | ".."));
    let safe: Vec<String> = elements.map(safe_element).collect();
    let first = safe.len().saturating_sub(DEPTH_MOST);
    let path: PathBuf = safe[first..].iter().collect();
    if path.as_os_str().is_empty() { PathBuf::from("file") } else { path }
}

fn safe_element(element: &str) -> String {
    let invisible = |c: char| {
        matches!(c, '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{61c}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let replaced = element.chars().filter(|c| !invisible(*c)).map(|c| match c {
        '<' | '>' | ':' | '"' | '|' | '?' | '*' => '_',
        other => other,
    });
    let clean: String = replaced.collect();
    let short = shorten(clean.trim_matches(['.', ' ']), ELEMENT_MOST);
    let short = short.trim_end_matches(['.', ' ']);
    let stem = short.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let numbered = |prefix: &str| {
        stem.strip_prefix(prefix).is_some_and(|n| n.len() == 1 && n.bytes().all(|b| b.is_ascii_digit()))
    };
    match short {
        "" => "file".to_owned(),
        short if DEVICES.contains(&stem.as_str()) || numbered("com") || numbered("lpt") => {
            format!("_{short}")
        }
        short => short.to_owned(),
    }
}

/// Keeps the extension.
fn shorten(name: &str, most: usize) -> String {
    if name.len() <= most {
        return name.to_owned();
    }
    let dot = name.rfind('.').filter(|dot| *dot > 0 && name.len() - dot <= 20).unwrap_or(name.len());
    let (stem, extension) = name.split_at(dot);
    let room = most.saturating_sub(extension.len());
    let mut end = 0;
    for (at, c) in stem.char_indices() {
        if at + c.len_utf8() > room {
            break;
        }
        end = at + c.len_utf8();
    }
    format!("{}{extension}", &stem[..end])
}

/// The name with a number before its extension: `photo (2).jpg`.
pub(crate) fn numbered(path: &Path, number: u32) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = match path.extension() {
        Some(extension) => format!("{stem} ({number}).{}", extension.to_string_lossy()),
        None => format!("{stem} ({number})"),
    };
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_folder_or_deceives() {
        for (name, wanted) in [
            ("photo.jpg", "photo.jpg"),
            ("trip/day 1/photo.jpg", "trip/day 1/photo.jpg"),
            ("../../etc/passwd", "etc/passwd"),
            ("/etc/passwd", "etc/passwd"),
            ("..\\..\\x", "x"),
            ("a/./b/../c", "a/b/c"),
            ("", "file"),
            ("..", "file"),
            ("/", "file"),
            (".bashrc", "bashrc"),
            (".ssh/authorized_keys", "ssh/authorized_keys"),
            ("C:\\x", "C_/x"),
            ("con", "_con"),
            ("NUL.txt", "_NUL.txt"),
            ("com1.log", "_com1.log"),
            ("company", "company"),
            ("ex\u{202e}gpj.exe", "exgpj.exe"),
            ("a\nb\0c", "abc"),
            ("what? <no>", "what_ _no_"),
            ("dots...", "dots"),
        ] {
            assert_eq!(safe_path(name), Path::new(wanted), "{name:?}");
        }
        let long = safe_path(&format!("{}.tar", "é".repeat(250)));
        let text = long.to_string_lossy();
        assert!(text.len() <= ELEMENT_MOST && text.ends_with("é.tar"), "{text}");
        assert_eq!(safe_path(&"d/".repeat(100)).components().count(), DEPTH_MOST);
    }

    #[test]
    fn numbers_go_before_the_extension() {
        for (name, wanted) in
            [("a.txt", "a (2).txt"), ("d/a", "d/a (2)"), ("a.tar.gz", "a.tar (2).gz"), (".x", ".x (2)")]
        {
            assert_eq!(numbered(Path::new(name), 2), Path::new(wanted));
        }
    }
}
