//! Records what a browser sends: `receive_media picture.ivf sound.ogg`. Reads an offer that ends with a line of one dot,
//! and prints the answer in the same form. Ends when the browser hangs up.

use std::error::Error;

use endpoint::{Connection, Options};
use peer::negotiation::{Description, SdpType};
use peer::{Config, Event, Format};

#[path = "containers/write.rs"]
mod write;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut paths = std::env::args().skip(1);
    let (Some(picture), Some(sound)) = (paths.next(), paths.next()) else {
        return Err("name the files: receive_media picture.ivf sound.ogg".into());
    };
    let mut config = Config::new(endpoint::certificate());
    // What the files are made for.
    config.negotiation.video_codecs.retain(|codec| codec.name == "VP8");
    config.negotiation.audio_codecs.retain(|codec| codec.name == "opus");
    let (connection, mut events) = Connection::start(config, &Options::default())?;
    let lines = std::io::stdin().lines().map_while(Result::ok).take_while(|line| line != ".");
    let offer = Description { kind: SdpType::Offer, sdp: lines.map(|line| line + "\r\n").collect() };
    connection.with(move |peer, now| peer.set_remote_description(now, &offer)).await??;
    connection.with(|peer, now| peer.set_local_description(now, None)).await??;
    while !matches!(events.next().await.ok_or("ended")?, Event::IceCandidate(None)) {}
    let answer = connection.with(|peer, _| peer.local_description()).await?.ok_or("no answer")?;
    println!("{}.", answer.sdp);

    let (mut picture, mut sound) = (write::Ivf::create(&picture)?, write::Ogg::create(&sound)?);
    let mut frames = 0;
    while let Some(event) = events.next().await {
        match event {
            Event::Frame(frame) => {
                frames += 1;
                match frame.format {
                    Format::Opus => sound.packet(frame.timestamp, &frame.data)?,
                    Format::Vp8 => picture.frame(frame.timestamp, &frame.data)?,
                    Format::Vp9 | Format::H264 | Format::Av1 => {}
                }
            }
            Event::DtlsClosed(_) => break,
            _ => {}
        }
    }
    println!("{frames} frames");
    Ok(())
}
