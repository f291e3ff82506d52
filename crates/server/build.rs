//! Embeds the built page: writes a table of the files under `web/app/dist` for `src/http/page.rs` to include.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, process};

fn main() {
    let dist = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../../web/app/dist");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", dist.display());
    let Ok(dist) = dist.canonicalize() else { missing() };
    if !dist.join("index.html").is_file() {
        missing();
    }
    let mut files = Vec::new();
    collect(&dist, &mut files);
    files.sort();
    let mut table = String::from("&[\n");
    for file in files.iter().filter(|f| !compressed_variant(f)) {
        println!("cargo::rerun-if-changed={}", file.display());
        entry(&mut table, &dist, file);
    }
    table.push_str("]\n");
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it")).join("page.rs");
    fs::write(out, table).expect("the build folder is writable");
}

/// There is no page to embed: says what to do.
fn missing() -> ! {
    println!("cargo::error=the page is not built: web/app/dist/index.html is missing; run `make web` first");
    process::exit(1);
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the page's folder is readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Whether `file` is the compressed form of a file beside it.
fn compressed_variant(file: &Path) -> bool {
    let compressed = file.extension().is_some_and(|e| e == "br" || e == "gz");
    compressed && file.with_extension("").is_file()
}

fn entry(table: &mut String, dist: &Path, file: &Path) {
    let relative = file.strip_prefix(dist).expect("it was found there").to_string_lossy().into_owned();
    let include = |path: &Path| format!("include_bytes!({:?})", path.display().to_string());
    let variant = |suffix: &str| {
        let path = with_suffix(file, suffix);
        if path.is_file() { format!("Some({})", include(&path)) } else { "None".to_owned() }
    };
    writeln!(
        table,
        "    File {{ path: {path:?}, etag: \"\\\"{hash:016x}\\\"\", plain: {plain}, brotli: {brotli}, gzip: {gzip} }},",
        path = format!("/{relative}"),
        hash = fingerprint(&fs::read(file).expect("the page's files are readable")),
        plain = include(file),
        brotli = variant(".br"),
        gzip = variant(".gz"),
    )
    .expect("a string takes any text");
}

/// FNV-1a: it only has to differ when the content does, between one build and the next.
fn fingerprint(content: &[u8]) -> u64 {
    content.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
}
