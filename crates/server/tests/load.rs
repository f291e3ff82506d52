//! `visavis load` against a server.

use crate::support::{Folder, Server, run};

#[test]
fn everybody_comes_in_and_sees_the_others() {
    load(&[]);
}

/// Each room is on two threads.
#[test]
fn everybody_sees_the_others_whichever_threads_they_are_on() {
    let server = load(&["--media-threads", "2", "--conference-thread", "1"]);
    let metrics = server.0.get("/metrics");
    let shared = metrics.text().lines().find(|line| line.starts_with("visavis_media_shared_total"));
    let shared: f64 = shared.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    assert!(shared > 100.0, "{shared} packets went from thread to thread");
}

fn load(options: &[&str]) -> (Server, Folder) {
    let folder = Folder::new();
    let server = Server::start(&folder, options);
    let url = format!("http://{}", server.http);
    let size = ["load", "--rooms", "2", "--publishers", "2", "--receivers", "1", "--for", "4s", "--json"];
    for more in [&["--bitrate", "300"][..], &["--pattern=160x96@15"]] {
        let output = run(&[&size[..], more, &["--server", &url]].concat(), "");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let report: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(output.status.code(), Some(0), "{report}");
        assert_eq!(report["rooms"].as_array().unwrap().len(), 2);
        for room in report["rooms"].as_array().unwrap() {
            assert_eq!((&room["people"], &room["joined"]), (&3.into(), &3.into()), "{room}");
            let (sent, received) =
                (room["picturesSent"].as_u64().unwrap(), room["picturesReceived"].as_u64().unwrap());
            // Each of two is seen by two; what is sent while the others still come reaches fewer.
            assert!(sent > 40 && received > sent && received <= 2 * sent, "{room}");
            assert!(
                room["delayP50"].as_f64() < Some(500.0) && room["joinP50"].as_f64() > Some(0.0),
                "{room}"
            );
        }
        assert!(report["serverCores"].as_f64() > Some(0.0), "{report}");
    }
    (server, folder)
}

#[test]
fn a_load_is_not_for_the_servers_of_others() {
    let output = run(&["load", "--server", "https://call.example"], "");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--yes-this-is-my-server"));
}
