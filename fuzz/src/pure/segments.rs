//! How a stream of bytes falls into reads.

/// Takes the first byte of an input for the way in which the rest is cut.
///
/// Returns that byte too: its low bits choose the cuts, so its high bits are free for other choices.
pub fn cut(data: &[u8]) -> (u8, &[u8], Vec<usize>) {
    let Some((&seed, stream)) = data.split_first() else { return (0, data, vec![0]) };
    let mut lengths = Vec::new();
    let mut at = 0;
    let mut state = u32::from(seed & 0x3f);
    while at < stream.len() {
        // Few streams are long; then byte by byte would only be slow.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let step = match seed & 0x3f {
            0 => 1 + stream.len() / 4096,
            63 => stream.len(),
            _ => 1 + (state >> 16) as usize % (8 + stream.len() / 16),
        };
        at = stream.len().min(at + step);
        lengths.push(at);
    }
    (seed, stream, lengths)
}
