//! Files of sound and pictures, and the codecs that make and play them. Nothing here knows of a network.

pub mod webm;
