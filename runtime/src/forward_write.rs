//! The parts of `tokio::io::AsyncWrite` that a wrapper of a byte stream leaves to the stream.

/// Writing itself: for a wrapper that neither changes nor counts what is sent. `$stream` is the field.
macro_rules! forward_write {
    ($stream:ident) => {
        fn poll_write(
            mut self: std::pin::Pin<&mut Self>,
            task: &mut std::task::Context<'_>,
            buf: &[u8],
        ) -> std::task::Poll<std::io::Result<usize>> {
            std::pin::Pin::new(&mut self.$stream).poll_write(task, buf)
        }

        fn poll_write_vectored(
            mut self: std::pin::Pin<&mut Self>,
            task: &mut std::task::Context<'_>,
            bufs: &[std::io::IoSlice<'_>],
        ) -> std::task::Poll<std::io::Result<usize>> {
            std::pin::Pin::new(&mut self.$stream).poll_write_vectored(task, bufs)
        }
    };
}

/// All but the writing itself. `$stream` is the field.
macro_rules! forward_flush {
    ($stream:ident) => {
        crate::forward_write::forward_shutdown!($stream);

        fn poll_flush(
            mut self: std::pin::Pin<&mut Self>,
            task: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::pin::Pin::new(&mut self.$stream).poll_flush(task)
        }
    };
}

/// All but writing and flushing. `$stream` is the field.
macro_rules! forward_shutdown {
    ($stream:ident) => {
        fn is_write_vectored(&self) -> bool {
            self.$stream.is_write_vectored()
        }

        fn poll_shutdown(
            mut self: std::pin::Pin<&mut Self>,
            task: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::pin::Pin::new(&mut self.$stream).poll_shutdown(task)
        }
    };
}

pub(crate) use {forward_flush, forward_shutdown, forward_write};
