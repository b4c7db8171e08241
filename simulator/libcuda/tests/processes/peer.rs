//! A client that shares memory with others as it is told, line by line.

use std::ffi::c_void;
use std::io::{BufRead, IoSlice, IoSliceMut, stdin};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixDatagram;

use ffi_headers::cuda::*;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, UnixAddr, recvmsg, sendmsg};

use crate::common::{MIB, cu};

const FD: CUmemAllocationHandleType = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
const FABRIC: CUmemAllocationHandleType = CU_MEM_HANDLE_TYPE_FABRIC;

/// What the commands work on: the last of each kind.
#[derive(Default)]
struct State {
    handle: CUmemGenericAllocationHandle,
    address: CUdeviceptr,
    bytes: usize,
    descriptor: RawFd,
    pool: usize,
    event: usize,
}

/// Obeys until the end of its input. Each line is a verb and arguments; the answer is a result code, and what there is to
/// say in the case of success.
pub fn play() {
    crate::common::ok!(cuInit(0));
    crate::common::context_on(0);
    let mut state = State::default();
    for line in stdin().lock().lines() {
        let line = line.expect("a line");
        let (verb, argument) = line.split_once(' ').unwrap_or((&line, ""));
        match state.obey(verb, argument) {
            Ok(answer) => println!("0 {answer}"),
            Err(code) => println!("{code}"),
        }
    }
}

fn checked(code: CUresult) -> Result<String, CUresult> {
    if code == CUDA_SUCCESS { Ok(String::new()) } else { Err(code) }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes64(text: &str) -> [u8; 64] {
    std::array::from_fn(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).expect("hexadecimal digits"))
}

impl State {
    fn obey(&mut self, verb: &str, argument: &str) -> Result<String, CUresult> {
        let number: u64 = argument.parse().unwrap_or(0);
        match verb {
            "create" => self.create(number, CU_MEM_LOCATION_TYPE_DEVICE),
            "create-host" => self.create(number, CU_MEM_LOCATION_TYPE_HOST),
            "release" => checked(cu!(cuMemRelease(self.handle))),
            "map" => self.map(),
            "unmap" => checked(cu!(cuMemUnmap(self.address, self.bytes))),
            "write" => checked(cu!(cuMemcpyHtoD_v2(self.address, argument.as_ptr().cast(), argument.len()))),
            "read" => self.read(),
            "size" => {
                let (mut base, mut size) = (0, 0);
                checked(cu!(cuMemGetAddressRange_v2(&mut base, &mut size, self.address)))?;
                Ok(format!("{} {size}", self.address - base))
            }
            "export" => {
                let place = (&raw mut self.descriptor).cast();
                checked(cu!(cuMemExportToShareableHandle(place, self.handle, FD, 0)))
            }
            "send" => {
                send(self.descriptor, argument);
                Ok(String::new())
            }
            "receive" => {
                self.descriptor = receive(argument);
                Ok(String::new())
            }
            "close" => {
                nix::unistd::close(self.descriptor).expect("an open descriptor");
                Ok(String::new())
            }
            "import" => self.import(self.descriptor),
            "inherit" => self.import(argument.parse().expect("a descriptor")),
            "spawn" => Ok(spawn(self.descriptor)),
            "export-bytes" => {
                let mut bytes = [0u8; 64];
                checked(cu!(cuMemExportToShareableHandle(bytes.as_mut_ptr().cast(), self.handle, FABRIC, 0)))?;
                Ok(hexadecimal(&bytes))
            }
            "import-bytes" => {
                let mut bytes = bytes64(argument);
                let place = bytes.as_mut_ptr().cast();
                checked(cu!(cuMemImportFromShareableHandle(&mut self.handle, place, FABRIC)))
            }
            "alloc" => {
                self.bytes = number as usize;
                checked(cu!(cuMemAlloc_v2(&mut self.address, self.bytes)))
            }
            "free" => checked(cu!(cuMemFree_v2(self.address))),
            "free-async" => checked(cu!(cuMemFreeAsync(self.address, std::ptr::null_mut()))),
            "handle" => {
                let mut handle = CUipcMemHandle::default();
                checked(cu!(cuIpcGetMemHandle(&mut handle, self.address)))?;
                Ok(hexadecimal(&handle.reserved.map(|byte| byte as u8)))
            }
            "open" => {
                let handle = CUipcMemHandle { reserved: bytes64(argument).map(|byte| byte as _) };
                checked(cu!(cuIpcOpenMemHandle_v2(&mut self.address, handle, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS)))?;
                Ok(self.address.to_string())
            }
            "close-handle" => checked(cu!(cuIpcCloseMemHandle(self.address))),
            "new-context" => {
                crate::common::context_on(0);
                Ok(String::new())
            }
            "end-context" => {
                let mut context = std::ptr::null_mut();
                checked(cu!(cuCtxGetCurrent(&mut context)))?;
                checked(cu!(cuCtxDestroy_v2(context)))
            }
            _ => self.obey_on_pools_events_and_teams(verb, argument),
        }
    }

    fn obey_on_pools_events_and_teams(&mut self, verb: &str, argument: &str) -> Result<String, CUresult> {
        let number: u64 = argument.parse().unwrap_or(0);
        let mut pool = self.pool as CUmemoryPool;
        let mut event = self.event as CUevent;
        let answer = match verb {
            "pool" => {
                let location = CUmemLocation { type_: CU_MEM_LOCATION_TYPE_DEVICE, id: 0 };
                let properties = CUmemPoolProps {
                    allocType: CU_MEM_ALLOCATION_TYPE_PINNED,
                    handleTypes: FD,
                    location,
                    ..Default::default()
                };
                checked(cu!(cuMemPoolCreate(&mut pool, &properties)))
            }
            "end-pool" => checked(cu!(cuMemPoolDestroy(pool))),
            "pool-alloc" => {
                let stream = std::ptr::null_mut();
                checked(cu!(cuMemAllocFromPoolAsync(&mut self.address, number as usize, pool, stream)))
            }
            "trim" => checked(cu!(cuCtxSynchronize())),
            "pool-export" => {
                let place = (&raw mut self.descriptor).cast();
                checked(cu!(cuMemPoolExportToShareableHandle(place, pool, FD, 0)))
            }
            "pool-import" => {
                let given = self.descriptor as usize as *mut c_void;
                checked(cu!(cuMemPoolImportFromShareableHandle(&mut pool, given, FD, 0)))
            }
            "pointer" => {
                let mut data = CUmemPoolPtrExportData { reserved: [0; 64] };
                checked(cu!(cuMemPoolExportPointer(&mut data, self.address))).map(|_| hexadecimal(&data.reserved))
            }
            "take-pointer" => {
                let mut data = CUmemPoolPtrExportData { reserved: bytes64(argument) };
                checked(cu!(cuMemPoolImportPointer(&mut self.address, pool, &mut data)))
            }
            "event" => {
                let flags = CU_EVENT_INTERPROCESS | CU_EVENT_DISABLE_TIMING;
                checked(cu!(cuEventCreate(&mut event, flags)))
            }
            "event-handle" => {
                let mut handle = CUipcEventHandle::default();
                checked(cu!(cuIpcGetEventHandle(&mut handle, event)))
                    .map(|_| hexadecimal(&handle.reserved.map(|byte| byte as u8)))
            }
            "open-event" => {
                let handle = CUipcEventHandle { reserved: bytes64(argument).map(|byte| byte as _) };
                checked(cu!(cuIpcOpenEventHandle(&mut event, handle)))
            }
            // Keeps the default stream busy for three seconds: the kernel's name says so.
            "work" => {
                let (mut module, mut function) = (std::ptr::null_mut(), std::ptr::null_mut());
                let image = c".version 8.0\n.entry spin_us3000000 ()\n";
                checked(cu!(cuModuleLoadData(&mut module, image.as_ptr().cast())))?;
                checked(cu!(cuModuleGetFunction(&mut function, module, c"spin_us3000000".as_ptr())))?;
                let (stream, none) = (std::ptr::null_mut(), std::ptr::null_mut());
                checked(cu!(cuLaunchKernel(function, 1, 1, 1, 32, 1, 1, 0, stream, none, none)))
            }
            "record" => checked(cu!(cuEventRecord(event, std::ptr::null_mut()))),
            "query" => checked(cu!(cuEventQuery(event))),
            "wait" => checked(cu!(cuEventSynchronize(event))),
            "team" => {
                let properties = CUmulticastObjectProp {
                    numDevices: 2,
                    size: (number * MIB) as usize,
                    handleTypes: u64::from(FD),
                    flags: 0,
                };
                checked(cu!(cuMulticastCreate(&mut self.handle, &properties)))
            }
            "join" => checked(cu!(cuMulticastAddDevice(self.handle, number as i32))),
            // Binds fresh memory of a device to the first bytes of the team.
            "bind" => {
                let (team, bytes) = (self.handle, 2 << 20);
                self.create_on(bytes, CU_MEM_LOCATION_TYPE_DEVICE, number as i32)?;
                let memory = std::mem::replace(&mut self.handle, team);
                let bound = checked(cu!(cuMulticastBindMem(team, 0, memory, 0, bytes as usize, 0)));
                checked(cu!(cuMemRelease(memory)))?;
                bound
            }
            "unbind" => checked(cu!(cuMulticastUnbind(self.handle, number as i32, 0, 2 << 20))),
            other => panic!("no verb {other}"),
        };
        (self.pool, self.event) = (pool as usize, event as usize);
        answer
    }

    fn create(&mut self, mebibytes: u64, kind: CUmemLocationType) -> Result<String, CUresult> {
        self.create_on(mebibytes * MIB, kind, 0)
    }

    fn create_on(&mut self, bytes: u64, kind: CUmemLocationType, device: i32) -> Result<String, CUresult> {
        let properties = CUmemAllocationProp {
            type_: CU_MEM_ALLOCATION_TYPE_PINNED,
            requestedHandleTypes: FD | FABRIC,
            location: CUmemLocation { type_: kind, id: device },
            ..Default::default()
        };
        self.bytes = bytes as usize;
        checked(cu!(cuMemCreate(&mut self.handle, self.bytes, &properties, 0)))
    }

    fn import(&mut self, descriptor: RawFd) -> Result<String, CUresult> {
        let given = descriptor as usize as *mut c_void;
        checked(cu!(cuMemImportFromShareableHandle(&mut self.handle, given, FD)))?;
        let mut properties = CUmemAllocationProp::default();
        let code = cu!(cuMemGetAllocationPropertiesFromHandle(&mut properties, self.handle));
        // A multicast object has none.
        if code == CUDA_SUCCESS {
            assert_eq!(properties.requestedHandleTypes, FD | FABRIC);
        }
        Ok(properties.location.type_.to_string())
    }

    /// Maps the first 2 MiB.
    fn map(&mut self) -> Result<String, CUresult> {
        self.bytes = 2 << 20;
        checked(cu!(cuMemAddressReserve(&mut self.address, self.bytes, 0, 0, 0)))?;
        checked(cu!(cuMemMap(self.address, self.bytes, 0, self.handle, 0)))?;
        let mut properties = CUmemAllocationProp::default();
        checked(cu!(cuMemGetAllocationPropertiesFromHandle(&mut properties, self.handle)))?;
        let access = CUmemAccessDesc { location: properties.location, flags: CU_MEM_ACCESS_FLAGS_PROT_READWRITE };
        checked(cu!(cuMemSetAccess(self.address, self.bytes, &access, 1)))
    }

    fn read(&self) -> Result<String, CUresult> {
        let mut bytes = [0u8; 4];
        checked(cu!(cuMemcpyDtoH_v2(bytes.as_mut_ptr().cast(), self.address, 4)))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

fn send(descriptor: RawFd, path: &str) {
    let socket = UnixDatagram::unbound().expect("a socket");
    let rights = [ControlMessage::ScmRights(std::slice::from_ref(&descriptor))];
    let address = UnixAddr::new(path).expect("an address");
    let slices = [IoSlice::new(b"x")];
    sendmsg(socket.as_raw_fd(), &slices, &rights, MsgFlags::empty(), Some(&address)).expect("sent");
}

/// Says that it listens, and waits for a descriptor.
fn receive(path: &str) -> RawFd {
    let socket = UnixDatagram::bind(path).expect("a socket");
    println!("listening");
    let (mut byte, mut control) = ([0], nix::cmsg_space!([RawFd; 1]));
    let mut slices = [IoSliceMut::new(&mut byte)];
    let flags = MsgFlags::empty();
    let message = recvmsg::<UnixAddr>(socket.as_raw_fd(), &mut slices, Some(&mut control), flags).expect("a message");
    let received = message.cmsgs().expect("whole").find_map(|part| match part {
        ControlMessageOwned::ScmRights(descriptors) => descriptors.first().copied(),
        _ => None,
    });
    std::fs::remove_file(path).expect("the socket's file");
    received.expect("a descriptor")
}

/// Runs a child that inherits the descriptor, imports it, writes to the memory and ends.
fn spawn(descriptor: RawFd) -> String {
    use std::process::{Command, Stdio};
    let inherited = nix::unistd::dup(unsafe_borrow(descriptor)).expect("a copy without the flag to close it");
    let mut child = Command::new(std::env::current_exe().expect("own path"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let mut input = child.stdin.take().expect("piped");
    use std::io::Write;
    writeln!(input, "inherit {}\nmap\nwrite kept", inherited.as_raw_fd()).expect("the child listens");
    drop(input);
    let output = child.wait_with_output().expect("the child");
    String::from_utf8_lossy(&output.stdout).replace('\n', ";")
}

fn unsafe_borrow(descriptor: RawFd) -> std::os::fd::BorrowedFd<'static> {
    // SAFETY: the descriptor that the driver gave stays open until the command to close it.
    unsafe { std::os::fd::BorrowedFd::borrow_raw(descriptor) }
}
