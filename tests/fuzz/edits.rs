//! Edits of a valid sample.

use bolero::TypeGenerator;

/// How long each target runs, milliseconds.
pub const TIME_MS: u64 = 3_000;

/// One edit. Positions wrap at the end of the sample.
#[derive(Debug, Clone, TypeGenerator)]
pub enum Edit {
    Set {
        at: u16,
        byte: u8,
    },
    Flip {
        at: u16,
        bit: u8,
    },
    Insert {
        at: u16,
        bytes: [u8; 3],
    },
    Remove {
        at: u16,
        count: u8,
    },
    Repeat {
        from: u16,
        count: u8,
        at: u16,
    },
    /// A number of eight bytes at the ends of its range, where lengths and counters go wrong.
    Extreme {
        at: u16,
        is_large: bool,
        bytes: u8,
    },
    CutAfter {
        at: u16,
    },
}

/// The edits of one input, which are few.
pub type Edits = [Option<Edit>; 6];

/// The sample after the edits.
pub fn edited(sample: &[u8], edits: &Edits) -> Vec<u8> {
    let mut bytes = sample.to_vec();
    for edit in edits.iter().flatten() {
        apply(&mut bytes, edit);
    }
    bytes
}

fn apply(bytes: &mut Vec<u8>, edit: &Edit) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    let place = |at: u16| usize::from(at) % length;
    match *edit {
        Edit::Set { at, byte } => bytes[place(at)] = byte,
        Edit::Flip { at, bit } => bytes[place(at)] ^= 1 << (bit % 8),
        Edit::Insert { at, bytes: more } => drop(bytes.splice(place(at)..place(at), more)),
        Edit::Remove { at, count } => drop(bytes.drain(place(at)..(place(at) + usize::from(count)).min(length))),
        Edit::Repeat { from, count, at } => {
            let again = bytes[place(from)..(place(from) + usize::from(count)).min(length)].to_vec();
            drop(bytes.splice(place(at)..place(at), again));
        }
        Edit::Extreme { at, is_large, bytes: count } => {
            let end = (place(at) + usize::from(count % 9)).min(length);
            bytes[place(at)..end].fill(if is_large { 0xff } else { 0 });
        }
        Edit::CutAfter { at } => bytes.truncate(place(at)),
    }
}

/// One of some samples.
pub fn pick<T>(samples: &[T], number: u8) -> &T {
    &samples[usize::from(number) % samples.len()]
}
