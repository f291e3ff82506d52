//! What is kept per synchronization source, in a sorted table: no hashing, and a packet of the same source as
//! the last one is found at once.

use super::window::Window;

/// The state of one source in one direction.
#[derive(Debug)]
pub(super) struct Source {
    ssrc: u32,
    /// 1024 indices of RTP: a burst of video that a retransmission follows late.
    pub(super) rtp: Window<17>,
    /// 128 indices of RTCP.
    pub(super) rtcp: Window<3>,
    /// When it was last used, in packets of this table.
    used: u64,
}

/// All sources of one direction.
#[derive(Debug)]
pub(super) struct Sources {
    table: Vec<Source>,
    most: usize,
    last: usize,
    clock: u64,
}

impl Sources {
    pub(super) fn new(most: usize) -> Self {
        Self { table: Vec::new(), most, last: 0, clock: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.table.len() >= self.most
    }

    /// Reads where the table is, or its last source.
    #[inline]
    pub(super) fn fetch(&self, pass: u8) -> u64 {
        if pass == 0 {
            return self.table.len() as u64 ^ self.last as u64;
        }
        self.table.get(self.last).map_or(0, |source| source.used ^ source.rtp.fetch())
    }

    pub(super) fn find(&mut self, ssrc: u32) -> Option<&mut Source> {
        let at = match self.table.get(self.last) {
            Some(source) if source.ssrc == ssrc => self.last,
            _ => self.table.binary_search_by_key(&ssrc, |source| source.ssrc).ok()?,
        };
        self.last = at;
        self.clock += 1;
        self.table[at].used = self.clock;
        Some(&mut self.table[at])
    }

    /// The source, made when it is new, unless the table is full.
    pub(super) fn find_or_refuse(&mut self, ssrc: u32) -> Option<&mut Source> {
        if self.find(ssrc).is_none() {
            if self.is_full() {
                return None;
            }
            self.find_or_insert(ssrc);
        }
        self.table.get_mut(self.last)
    }

    /// The source, made when it is new. A full table loses the source that was used longest ago.
    pub(super) fn find_or_replace(&mut self, ssrc: u32) -> &mut Source {
        if self.find(ssrc).is_none() && self.is_full() {
            let oldest = (0..self.table.len()).min_by_key(|at| self.table[*at].used);
            oldest.map(|at| self.table.remove(at));
        }
        self.find_or_insert(ssrc)
    }

    /// The source, made when it is new.
    pub(super) fn find_or_insert(&mut self, ssrc: u32) -> &mut Source {
        if let Err(at) = self.table.binary_search_by_key(&ssrc, |source| source.ssrc) {
            // One or two are the rule, and there are very many tables.
            if self.table.len() == self.table.capacity() {
                self.table.reserve_exact(self.table.len().max(1));
            }
            self.table.insert(at, Source { ssrc, rtp: Window::new(), rtcp: Window::new(), used: 0 });
        }
        self.find(ssrc).expect("it is there or was just made")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_table_loses_the_source_that_was_used_longest_ago() {
        let mut sources = Sources::new(3);
        for ssrc in [30, 10, 20, 30, 10] {
            sources.find_or_replace(ssrc);
        }
        sources.find_or_replace(15);
        assert_eq!(sources.len(), 3);
        assert!(sources.find(20).is_none());
        assert!([10, 15, 30].iter().all(|ssrc| sources.find(*ssrc).is_some()));
    }
}
