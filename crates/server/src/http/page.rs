//! The page, embedded when the program is built.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

/// One file of the page, with the compressed forms that its build made.
struct File {
    path: &'static str,
    etag: &'static str,
    plain: &'static [u8],
    brotli: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
}

/// Sorted by path.
static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// Answers a request for anything that is not the API.
pub(super) fn serve(method: &Method, path: &str, headers: &HeaderMap) -> Response<Body> {
    if method != Method::GET && method != Method::HEAD {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD are answered here.\n");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match find(path) {
        Some(file) => file.respond(headers),
        None => not_found(headers),
    }
}

/// The page answers at its root and at the share links `/c/NAME`, `/r/ROOM` and `/watch/ROOM`; other paths are files.
fn find(path: &str) -> Option<&'static File> {
    let link = |prefix: &str| {
        path.strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && !rest.trim_end_matches('/').contains('/'))
    };
    let path =
        if path == "/" || link("/c/") || link("/r/") || link("/watch/") { "/index.html" } else { path };
    FILES.binary_search_by(|f| f.path.cmp(path)).ok().map(|i| &FILES[i])
}

impl File {
    fn respond(&self, headers: &HeaderMap) -> Response<Body> {
        let (encoding, bytes) = self.choose(headers.get(header::ACCEPT_ENCODING));
        let known = headers.get(header::IF_NONE_MATCH).and_then(|v| v.to_str().ok());
        let unchanged = known.is_some_and(|v| v == "*" || v.split(',').any(|tag| self.has_tag(tag.trim())));
        let mut response =
            if unchanged { Response::new(Body::empty()) } else { Response::new(Body::from(bytes)) };
        if unchanged {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let out = response.headers_mut();
        out.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(self.path)));
        out.insert(header::ETAG, HeaderValue::from_static(self.etag));
        out.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        out.insert(header::CACHE_CONTROL, HeaderValue::from_static(self.caching()));
        if let Some(encoding) = encoding {
            out.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        response
    }

    /// A weak comparison (RFC 9110 §8.8.3.2): the forms of one file have one tag.
    fn has_tag(&self, tag: &str) -> bool {
        tag.strip_prefix("W/").unwrap_or(tag) == self.etag
    }

    /// What stands under `assets/` has a hash of its content in its name; the rest is asked for again.
    fn caching(&self) -> &'static str {
        if self.path.starts_with("/assets/") { "public, max-age=31536000, immutable" } else { "no-cache" }
    }

    fn choose(&self, accepted: Option<&HeaderValue>) -> (Option<&'static str>, &'static [u8]) {
        let accepted = accepted.and_then(|v| v.to_str().ok()).unwrap_or_default();
        match (self.brotli, self.gzip) {
            (Some(bytes), _) if accepts(accepted, "br") => (Some("br"), bytes),
            (_, Some(bytes)) if accepts(accepted, "gzip") => (Some("gzip"), bytes),
            _ => (None, self.plain),
        }
    }
}

/// Whether `Accept-Encoding` names `coding` with a quality above zero (RFC 9110 §12.5.3).
fn accepts(accepted: &str, coding: &str) -> bool {
    accepted.split(',').any(|part| {
        let mut parts = part.split(';').map(str::trim);
        parts.next().is_some_and(|name| name.eq_ignore_ascii_case(coding))
            && !parts
                .any(|p| p.strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()).is_some_and(|q| q <= 0.0))
    })
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "mp3" => "audio/mpeg",
        "ogg" | "opus" => "audio/ogg",
        "wav" => "audio/wav",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// A short page for people, a line of text for programs.
fn not_found(headers: &HeaderMap) -> Response<Body> {
    let html =
        headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).is_some_and(|v| v.contains("text/html"));
    if !html {
        return text(StatusCode::NOT_FOUND, "There is nothing here.\n");
    }
    let mut response = Response::new(Body::from(NOT_FOUND));
    *response.status_mut() = StatusCode::NOT_FOUND;
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(super) fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

const NOT_FOUND: &str = "<!doctype html>
<html lang=\"en\">
<head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>Not found – Visavis</title></head>
<body>
<h1>There is nothing at this address</h1>
<p>A link to call a person looks like <code>/c/name</code>, a link to meet at <code>/r/room</code>.</p>
<p><a href=\"/\">Go to the start</a></p>
</body>
</html>
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_taken_only_when_they_are_wanted() {
        for (header, coding, wanted) in [
            ("gzip, deflate, br", "br", true),
            ("gzip;q=0.5, br;q=0", "br", false),
            ("gzip;q=0.5, br;q=0", "gzip", true),
            ("BR", "br", true),
            ("brotli", "br", false),
            ("", "gzip", false),
        ] {
            assert_eq!(accepts(header, coding), wanted, "{coding} in {header:?}");
        }
    }

    #[test]
    fn links_lead_to_the_page_and_other_paths_to_files() {
        for (path, found) in [
            ("/", true),
            ("/index.html", true),
            ("/c/anna", true),
            ("/c/anna/", true),
            ("/r/a-b_c", true),
            ("/watch/a-b_c", true),
            ("/c/", false),
            ("/c/a/b", false),
            ("/x/anna", false),
            ("/../Cargo.toml", false),
        ] {
            assert_eq!(find(path).is_some(), found, "{path}");
        }
    }
}
