//! The door to STUN, TURN and media: the one place where the control plane hands a connection over.

use tokio::io::{AsyncRead, AsyncWrite};

use crate::http::Caller;

/// The running media threads.
#[derive(Debug)]
pub struct MediaPlane {}

impl MediaPlane {
    /// Serves a TURN client whose connection came in over TLS, until it ends.
    pub async fn serve_stream<S>(&self, stream: S, caller: Caller)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        tracing::debug!(address = %caller.address, "a TURN connection over TLS");
        drop(stream);
    }
}
