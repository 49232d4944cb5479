//! The rows, by what they are about.

mod answers;
mod connections;
mod continues;
mod fields;
mod framing;
mod http2;
mod http2_frames;
mod semantics;
mod targets;
mod trailers;

use crate::row::Row;

pub(crate) fn all() -> Vec<Row> {
    [
        targets::rows(),
        fields::rows(),
        framing::rows(),
        connections::rows(),
        http2::rows(),
        http2_frames::rows(),
        semantics::rows(),
        continues::rows(),
        trailers::rows(),
        answers::rows(),
    ]
    .concat()
}
