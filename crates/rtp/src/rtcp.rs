//! RTCP (RFC 3550 §6): control packets, several of them in one datagram.
//!
//! [`Compound`] walks a received datagram, [`Writer`] fills one. A datagram may begin with any packet (RFC 5506);
//! whether that was negotiated is for the session to say. The same [`Packet`] is read and written: its lists
//! are views of received bytes, or slices of the caller's.

mod application;
mod ccfb;
mod compound;
mod feedback;
mod list;
mod report;
mod sdes;
mod twcc;
mod xr;

pub use application::{App, Bye};
pub use ccfb::{Arrival, Ccfb, CcfbBlock, CcfbBlocks, Ecn};
pub use compound::{Compound, Packet, Writer};
pub use feedback::{Feedback, Fir, FirEntry, Nack, NackEntry, Pli, Remb};
pub use list::{Entry, List};
pub use report::{ReceiverReport, ReportBlock, SenderInfo, SenderReport};
pub use sdes::{CNAME, Sdes, SdesItem, SdesItems};
pub use twcc::{TICK, Twcc};
pub use xr::{Dlrr, Xr, XrBlock, XrBlocks};
