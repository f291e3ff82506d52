//! webrtc-rs: two connections on tokio.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result};
use bytes::BytesMut;
use tokio::sync::{mpsc, oneshot};
use webrtc::data_channel::{DataChannel, DataChannelEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCConfigurationBuilder,
    RTCIceGatheringState,
};
use webrtc::runtime::TokioRuntime;

use crate::{AHEAD, Task};

struct Handler {
    gathered: mpsc::Sender<()>,
    received: Arc<AtomicU64>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            let _ = self.gathered.try_send(());
        }
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        let received = self.received.clone();
        tokio::spawn(async move {
            while let Some(event) = channel.poll().await {
                if let DataChannelEvent::OnMessage(message) = event {
                    received.fetch_add(message.data.len() as u64, Ordering::Relaxed);
                }
            }
        });
    }
}

async fn connection(received: &Arc<AtomicU64>) -> Result<(impl PeerConnection + use<>, mpsc::Receiver<()>)> {
    let (gathered, done) = mpsc::channel(1);
    let connection = PeerConnectionBuilder::new()
        .with_configuration(RTCConfigurationBuilder::new().build())
        .with_handler(Arc::new(Handler { gathered, received: received.clone() }))
        .with_runtime(Arc::new(TokioRuntime))
        .with_udp_addrs(vec!["127.0.0.1:0".to_owned()])
        .build()
        .await?;
    Ok((connection, done))
}

/// Sends whenever less than [`AHEAD`] waits, as the stack's own example of flow control does.
async fn send(channel: Arc<dyn DataChannel>, bytes: usize, opened: oneshot::Sender<()>) -> Result<()> {
    channel.set_buffered_amount_high_threshold(u32::try_from(AHEAD)?).await?;
    channel.set_buffered_amount_low_threshold(u32::try_from(AHEAD / 2)?).await?;
    let message = BytesMut::from(vec![0x5a; bytes].as_slice());
    let mut opened = Some(opened);
    let mut paused = true;
    loop {
        let event = if paused {
            channel.poll().await
        } else {
            tokio::select! {
                event = channel.poll() => event,
                result = channel.send(message.clone()) => {
                    result?;
                    continue;
                }
            }
        };
        match event.context("the channel has ended")? {
            DataChannelEvent::OnOpen => {
                paused = false;
                if let Some(opened) = opened.take() {
                    let _ = opened.send(());
                }
            }
            DataChannelEvent::OnBufferedAmountHigh => paused = true,
            DataChannelEvent::OnBufferedAmountLow => paused = false,
            _ => {}
        }
    }
}

/// Two connections in one runtime of two threads.
pub(crate) fn run(task: Task) -> Result<()> {
    let received = Arc::new(AtomicU64::new(0));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let begin = Instant::now();
    let ends = runtime.block_on(async {
        let (near, mut near_gathered) = connection(&received).await?;
        let channel = near.create_data_channel("bulk", None).await?;
        let (opened, open) = oneshot::channel();
        tokio::spawn(send(channel, task.bytes, opened));
        near.set_local_description(near.create_offer(None).await?).await?;
        near_gathered.recv().await;
        let (far, mut far_gathered) = connection(&received).await?;
        far.set_remote_description(near.local_description().await.context("an offer")?).await?;
        far.set_local_description(far.create_answer(None).await?).await?;
        far_gathered.recv().await;
        near.set_remote_description(far.local_description().await.context("an answer")?).await?;
        open.await?;
        anyhow::Ok((near, far))
    })?;
    let setup = begin.elapsed();
    let result = crate::measure(task, &received, setup);
    drop(ends);
    result
}
