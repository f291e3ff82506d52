use media::webm::{Change, MAX_FRAME, Reader, Recovery};

/// Reads a file of any bytes, whole and in pieces, which gives the same; and mends it, after which it needs nothing more.
pub fn webm(data: &[u8]) {
    let (frames, error) = read(data, data.len().max(1));
    let piece = usize::from(data.first().copied().unwrap_or(0)) + 1;
    assert!((frames, error) == read(data, piece), "pieces of {piece} change nothing");
    let mut recovery = Recovery::new();
    if recovery.push(data).is_err() {
        return;
    }
    let Ok(changes) = recovery.finish() else { return };
    let mended = apply(data, changes);
    let mut again = Recovery::new();
    if again.push(&mended).is_ok() && again.is_whole() {
        assert!(again.finish().is_ok_and(|changes| changes.is_empty()), "what is mended is whole");
    }
}

fn read(data: &[u8], piece: usize) -> (u64, bool) {
    let (mut reader, mut bytes) = (Reader::new(), 0);
    for piece in data.chunks(piece) {
        reader.push(piece);
        loop {
            match reader.next_frame() {
                Ok(Some(frame)) => {
                    assert!(frame.data.len() <= 2 * MAX_FRAME);
                    assert!(reader.tracks().iter().any(|track| track.number == frame.track));
                    bytes += 1 + frame.data.len() as u64;
                }
                Ok(None) => break,
                Err(_) => return (bytes, true),
            }
        }
    }
    (bytes, false)
}

fn apply(data: &[u8], changes: Vec<Change>) -> Vec<u8> {
    let mut file = data.to_vec();
    for change in changes {
        match change {
            Change::Append(bytes) => file.extend(bytes),
            Change::Patch { at, bytes } => {
                let at = usize::try_from(at).expect("it lies within the file");
                file[at..at + bytes.len()].copy_from_slice(&bytes);
            }
            Change::Truncate(len) => file.truncate(usize::try_from(len).expect("it lies within the file")),
        }
    }
    file
}
