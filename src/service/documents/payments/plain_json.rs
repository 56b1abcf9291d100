//! JSON as most callers write it: texts without escapes, read without copies. serde reads all other JSON, and reports
//! errors.

/// A value that can be read from plain JSON.
pub(super) trait PlainValue<'a>: Sized {
    /// Reads the value. `None`: it is not plain, or of another type.
    fn read(json: &mut PlainJson<'a>) -> Option<Self>;
}

/// The rest of a JSON text.
pub(super) struct PlainJson<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> PlainJson<'a> {
    /// `None`: the text is not UTF-8.
    pub(super) fn new(text: &'a [u8]) -> Option<Self> {
        Some(Self { text: std::str::from_utf8(text).ok()?, at: 0 })
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek() == Some(byte)).then(|| self.at += 1)
    }

    /// Whether only white space is left.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.skip_space();
        self.at == self.text.len()
    }

    /// A string without escapes and control characters, without its quotes.
    pub(super) fn string(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let start = self.at;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' | 0..0x20 => return None,
                _ => self.at += 1,
            }
        }
        let string = self.text.get(start..self.at)?;
        self.at += 1;
        Some(string)
    }

    /// A string with its quotes, or a number of digits with at most one point.
    pub(super) fn string_or_decimal(&mut self) -> Option<&'a str> {
        let start = self.at;
        if self.peek()? == b'"' {
            self.string()?;
            return self.text.get(start..self.at);
        }
        let whole = self.digits()?;
        if whole.len() > 1 && whole.starts_with('0') {
            return None;
        }
        if self.take(b'.').is_some() {
            self.digits()?;
        }
        // An exponent belongs to the number.
        if matches!(self.peek(), Some(b'e' | b'E')) { None } else { self.text.get(start..self.at) }
    }

    fn digits(&mut self) -> Option<&'a str> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.text.get(start..self.at).filter(|digits| !digits.is_empty())
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self) -> Option<bool> {
        let rest = self.text.get(self.at..)?;
        let (value, length) = if rest.starts_with("true") { (true, 4) } else { (false, 5) };
        if !value && !rest.starts_with("false") {
            return None;
        }
        self.at += length;
        Some(value)
    }

    /// An object, of whose members `member` reads the value.
    pub(super) fn object(&mut self, mut member: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        self.skip_space();
        self.take(b'{')?;
        self.skip_space();
        if self.take(b'}').is_some() {
            return Some(());
        }
        loop {
            let key = self.string()?;
            self.skip_space();
            self.take(b':')?;
            self.skip_space();
            member(self, key)?;
            self.skip_space();
            if self.take(b'}').is_some() {
                return Some(());
            }
            self.take(b',')?;
            self.skip_space();
        }
    }
}
