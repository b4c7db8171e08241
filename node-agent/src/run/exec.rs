//! Replacing this process by the command.
// UNSAFETY: setting how a signal is handled has no safe wrapper.
#![expect(unsafe_code)]

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::execvpe;

use super::Environment;

/// Becomes the command, looked up in PATH. Returns only when that failed, with the exit status that shells have for it:
/// 127 when there is no such command, 126 when it cannot be executed.
///
/// The signal mask stays as it was, which `Command::exec` would empty.
pub fn exec(command: &[OsString], environment: &Environment) -> u8 {
    let arguments: Vec<_> = command.iter().map(|argument| c_string(argument)).collect();
    let variables: Vec<_> = environment.iter().map(|(name, value)| variable(name, value)).collect();
    // SAFETY: SIG_DFL installs no handler. Rust's start-up set SIGPIPE to be ignored, which the command would inherit.
    let restored = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
    let error = match restored {
        Ok(_) => execvpe(&arguments[0], &arguments, &variables).unwrap_err(),
        Err(error) => error,
    };
    eprintln!("hami: cannot run '{}': {}", command[0].display(), error.desc());
    if error == Errno::ENOENT { 127 } else { 126 }
}

fn variable(name: &OsStr, value: &OsStr) -> CString {
    let mut setting = name.to_owned();
    setting.push("=");
    setting.push(value);
    c_string(&setting)
}

/// Arguments and variables come from this process's own, or have been made from them; those end at their first NUL.
fn c_string(text: &OsStr) -> CString {
    CString::new(text.as_bytes()).expect("no NUL in what the system passed to this process")
}
