//! Printing to standard output.

/// Prints a line. A closed pipe is no error: the command has done its work.
macro_rules! print_line {
    ($($words:tt)*) => {
        let _ = std::io::Write::write_fmt(&mut std::io::stdout(), format_args!("{}\n", format_args!($($words)*)));
    };
}
pub(in crate::cli) use print_line;
