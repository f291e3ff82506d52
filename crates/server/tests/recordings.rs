//! Recordings by the interface for applications, from outside.

use serde_json::{Value, json};

use crate::api::{ask, problem, start};
use crate::support::Folder;

/// A recording that has ended, as a server leaves it.
fn record(folder: &Folder, id: &str, room: &str, (begun, state): (u64, &str)) {
    let path = folder.path().join("data/recordings").join(id);
    std::fs::create_dir_all(&path).unwrap();
    let ada = json!({ "id": "ada", "name": "Ada", "verified": false });
    let file = json!({ "name": "1-camera-1.webm", "shows": "camera", "offset": 20, "duration": 900, "bytes": 10, "codecs": ["opus"] });
    let person = json!({ "number": 1, "person": ada, "present": [], "muted": [], "files": [file] });
    let timeline = json!({
        "version": 1, "id": id, "room": room, "begun": begun, "duration": 1000, "state": state, "by": ada,
        "owners": ["ada"], "people": [person], "speaking": [],
    });
    std::fs::write(path.join("1-camera-1.webm"), "0123456789").unwrap();
    std::fs::write(path.join("timeline.json"), timeline.to_string()).unwrap();
}

#[test]
fn recordings_are_listed_fetched_and_deleted() {
    let folder = Folder::new();
    let server = start(&folder, &[]);
    let ids: Vec<String> = (0..4).map(|n| format!("{n}{}", "x".repeat(21))).collect();
    for (n, room) in ["physics", "garden", "physics", "physics"].into_iter().enumerate() {
        let state = if n == 3 { "recording" } else { "finished" };
        record(&folder, &ids[n], room, (1_700_000_000_000 + n as u64, state));
    }
    let list = |query: &str| ask(&server, "GET", &format!("/recordings{query}"), &Value::Null).json();
    let names = |page: &Value| -> Vec<String> {
        let all = page["recordings"].as_array().unwrap();
        all.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
    };
    let all = list("");
    assert_eq!((names(&all), &all["next"]), (ids.iter().rev().cloned().collect(), &Value::Null));
    let first = list("?room=physics&limit=2");
    assert_eq!(
        (names(&first), first["next"].as_str()),
        (vec![ids[3].clone(), ids[2].clone()], Some(&*ids[2]))
    );
    let second = list(&format!("?room=physics&limit=2&after={}", ids[2]));
    assert_eq!((names(&second), &second["next"]), (vec![ids[0].clone()], &Value::Null));
    for (query, expected) in [
        ("?limit=0", (422, "invalid")),
        ("?after=nobody", (422, "invalid")),
        ("?rooms=x", (400, "malformed")),
    ] {
        let refused = ask(&server, "GET", &format!("/recordings{query}"), &Value::Null);
        assert_eq!(problem(&refused), (expected.0, expected.1.to_owned()), "{query}");
    }

    let path = format!("/recordings/{}", ids[1]);
    let one = ask(&server, "GET", &path, &Value::Null).json();
    assert_eq!(
        (&one["room"], &one["bytes"], &one["state"]),
        (&json!("garden"), &json!(10), &json!("finished"))
    );
    let link = one["files"][0]["link"].as_str().unwrap();
    let link = link.strip_prefix(&format!("http://{}", server.http)).unwrap();
    assert_eq!(server.get(link).body, b"0123456789");
    let part = server.send("GET", link, &[("range", "bytes=2-4")], "");
    assert_eq!((part.status, &part.body[..]), (206, &b"234"[..]));
    assert_eq!(server.get(&link.replace(&ids[1], &ids[0])).status, 403);

    assert_eq!(ask(&server, "DELETE", &path, &Value::Null).status, 204);
    for method in ["GET", "DELETE"] {
        let gone = ask(&server, method, &path, &Value::Null);
        assert_eq!(problem(&gone), (404, "no-such-recording".into()), "{method}");
    }
    assert_eq!(server.get(link).status, 404);
    let goes_on = ask(&server, "DELETE", &format!("/recordings/{}", ids[3]), &Value::Null);
    assert_eq!(problem(&goes_on), (409, "conflict".into()));
    drop(server);
    let server = start(&folder, &["--recordings", "off"]);
    assert_eq!(problem(&ask(&server, "GET", "/recordings", &Value::Null)), (404, "off".into()));
}
