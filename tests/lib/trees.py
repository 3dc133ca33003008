#!/usr/bin/env python3
"""trees - made-up trees with hostile names, and whether two of them are the same.

	trees.py make SEED COUNT ROOM DIR   COUNT trees, each a directory in DIR, of entries whose paths below DIR have at most ROOM bytes
	trees.py spoil SEED KIND DIR        one tree, DIR/top, with one entry that cannot be sent; prints how kedge is to show it and why
	trees.py kinds                      what spoil knows
	trees.py compare WANT GOT           says what differs, a line each; status 1 when something does

`make` says "TREES ENTRIES LONGEST BYTES".  The same SEED makes the same trees.  What of a tree must survive: names, types, link
targets, contents, whether the owner may execute a file, its time of modification in whole seconds of what a tar can say, from 1970 to 2242.
"""
import hashlib
import os
import random
import socket
import stat
import sys

NAMES = [b'SUCCESS', b'FAILED', b'run.sh', b'main.sh', b'.kedge', b'.kedge-fetch', b'.kedge-partial', b'job.json', b'manifest', b'status.txt',
         b'-rf', b'-', b'--', b'--help', b'-n', b'~', b'~root', b'*', b'?', b'[a-z]', b'{a,b}', b'...', b'.. ', b' ', b'  ', b'. ', b'\n', b'\n\n',
         b'a\nb', b'a\n', b'\\', b'\\n', b'a\\', b"'", b'"', b"it's", b'`id`', b'$(id)', b'${HOME}', b'$x', b';', b'a;b', b'a|b', b'a&b', b'#a',
         b'!', b'%s', b'%n', b'%0a', b'%2F', b'\t', b'\r', b'\x1b[31m', b'\x1b]0;x\x07', b'\x7f', b'\x01', b'\xff', b'\xc3', b'\xc3\xa4', b'a\xcc\x88',
         b'\xe2\x80\xae', b'\xed\xa0\x80', b'\xf0\x9f\x92\xa5', b'.gitignore~', b'.GIT', b'.git ', b'a=b', b'a:b', b'C:', b'nul', b'END', b'BEGIN',
         b'{{job_id}}', b'@LongLink', b'././@LongLink', b'PaxHeaders', b'pack', b'names', b'a.', b'a ', b'a..', b'.a', b'0', b'-0', b'a\xa0']
IGNORE = (b'', b'.', b'..', b'.git', b'.gitignore', b'.kedgeignore')
SIZES = (1, 2, 100, 511, 512, 513, 1000, 4095, 4096, 4097, 10240, 32768, 65536, 65537)
MODES = (0o644, 0o600, 0o755, 0o700, 0o640, 0o444, 0o400, 0o555, 0o500, 0o711, 0o655, 0o604, 0o777, 0o666)
TIMES = (0, 1, -1, -2**31, 2**31 - 1, 2**31, 2**32 + 5, 8**11 - 1, 8**11, 10413792000)


def name_of(rng):
    what = rng.random()
    if what < 0.35:
        name = rng.choice(NAMES).replace(b'/', b'_')
    elif what < 0.60:
        name = bytes(rng.randrange(1, 256) for _ in range(rng.randint(1, 24)))
    elif what < 0.80:
        name = b''.join(rng.choice(NAMES) for _ in range(rng.randint(2, 4)))
    elif what < 0.84:
        name = bytes(rng.randrange(1, 256) for _ in range(255))
    elif what < 0.87:
        name = (rng.choice(NAMES) * 255)[:255]
    else:
        name = b'%x' % rng.getrandbits(32)
    if rng.random() < 0.1:
        name += rng.choice((b' ', b'.', b'\n', b'\t', b'~', b'\\', b'\xff'))
    name = name.replace(b'/', b'_')[:255]
    return name if name not in IGNORE else b'_' + name


class Tree:
    """Entries below one directory of the current one; `room` is what a path may have."""

    def __init__(self, rng, top, room):
        self.rng, self.room = rng, room
        os.mkdir(top)
        self.paths, self.dirs, self.entries, self.bytes, self.longest = {top}, [top], 1, 0, len(top)

    def place(self, parent=None, name=None):
        """A path that is not there yet, or None where there is no room for it."""
        parent = parent or self.rng.choice(self.dirs)
        path = parent + b'/' + (name or name_of(self.rng))
        if len(path) > self.room or path in self.paths:
            return None
        self.paths.add(path)
        self.entries += 1
        self.longest = max(self.longest, len(path))
        return path

    def directory(self, parent=None, name=None):
        path = self.place(parent, name)
        if path:
            os.mkdir(path)
            self.dirs.append(path)
        return path

    def file(self, size=None, parent=None, name=None):
        rng, path = self.rng, self.place(parent, name)
        if not path:
            return
        if size is None:
            size = 0 if rng.random() < 0.2 else rng.choice(SIZES) if rng.random() < 0.2 else rng.randint(1, 300)
        with open(path, 'wb') as f:
            f.write(rng.getrandbits(8 * size).to_bytes(size, 'little'))
        self.bytes += size
        self.finish(path)

    def sparse(self):
        path = self.place()
        if not path:
            return
        size = self.rng.randint(1, 1 << 20)
        with open(path, 'wb') as f:
            for _ in range(self.rng.randint(0, 3)):
                f.seek(self.rng.randint(0, size))
                f.write(b'x')
            f.truncate(size)
        self.bytes += size
        self.finish(path)

    def finish(self, path):
        os.chmod(path, self.rng.choice(MODES))
        if self.rng.random() < 0.2:
            os.utime(path, ns=(0, self.rng.choice(TIMES) * 10**9))

    def second_name(self):
        path, files = self.place(), [p for p in self.paths if p not in self.dirs and os.path.isfile(p) and not os.path.islink(p)]
        if path:
            os.link(min(files), path) if files else os.mkdir(path)

    def link(self):
        """To what is there, to nothing, to itself, to another link; '..' stands at the beginning only."""
        rng, path = self.rng, self.place()
        if not path:
            return
        above = path.split(b'/')[:-1]
        up = rng.randint(0, len(above))
        base = b'/'.join(above[:len(above) - up])
        below = [p[len(base) + 1:] if base else p for p in sorted(self.paths) if p != path and p.startswith(base + b'/' if base else b'')]
        what = rng.random()
        if what < 0.6 and below:
            target = rng.choice(below)
        elif what < 0.7:
            up, target = 0, path.split(b'/')[-1]
        elif what < 0.8:
            target = b'.'
        else:
            target = b'/'.join(name_of(rng) for _ in range(rng.choice((1, 2, 3, 15))))
        if rng.random() < 0.1:
            target = rng.choice((b'./', b'.//')) + target
        if rng.random() < 0.1:
            target += rng.choice((b'/', b'/.', b'/not there'))
        target = (b'../' * up + target)[:4000]
        os.symlink(target, path)

    def deep(self, length):
        """Directories down to a file, whose path has all the bytes there are."""
        parent = self.dirs[0]
        while parent and self.room - len(parent) > 2 * length + 2:
            name = name_of(self.rng)[:length]
            parent = self.directory(parent, name if name not in IGNORE else b'_')
        left = self.room - len(parent or b'') - 1
        if parent and left > 255:
            parent = self.directory(parent, b'x' * min(255, left - 201))
            left = self.room - len(parent) - 1
        if parent and left > 0:
            self.file(10, parent, (self.rng.choice((b'x', b'\n', b'\xff')) * 255)[:left])

    def fill(self):
        rng = self.rng
        if rng.random() < 0.4:
            self.deep(rng.choice((20, 120, 120, 255, 255, 255)))
        for _ in range(rng.choice((5, 20, 40, 60))):
            what = rng.random()
            if what < 0.15:
                self.directory()
            elif what < 0.30:
                self.link()
            elif what < 0.32:
                self.sparse()
            elif what < 0.34:
                self.second_name()
            else:
                self.file()
        if rng.random() < 0.15:
            self.file(rng.randint(1 << 20, 4 << 20))
        for path in reversed(self.dirs):
            os.chmod(path, rng.choice((0o700, 0o755, 0o750, 0o777, 0o555)))


def make(seed, count, room, where):
    rng, sums = random.Random(int(seed)), [0, 0, 0, 0]
    os.chdir(os.fsencode(where))
    while sums[0] < int(count):
        top = name_of(rng)
        if os.path.lexists(top):
            continue
        tree = Tree(rng, top, int(room))
        tree.fill()
        sums = [sums[0] + 1, sums[1] + tree.entries, max(sums[2], tree.longest), sums[3] + tree.bytes]
    print(*sums)


# --- what is refused ---

def shown(path):
    """As util/vis.h says."""
    text = ''
    for c in path.decode('utf-8', 'surrogateescape'):
        code = ord(c)
        raw = c.encode('utf-8', 'surrogateescape')
        if c == '\\':
            text += '\\\\'
        elif 0xdc80 <= code <= 0xdcff or (code < 0x20 and c != '\t') or 0x7f <= code <= 0x9f or 0x2028 <= code <= 0x202e or 0x2066 <= code <= 0x2069:
            text += ''.join({10: '\\n', 13: '\\r', 27: '\\e'}.get(b, '\\x%02x' % b) for b in raw)
        else:
            text += c
    return text


def shown_head(path):
    n = min(len(path), 256)
    while len(shown(path[:n]).encode()) > 256:
        n -= n // 16 + 1
    return shown(path[:n]) + ('...' if n < len(path) else '')


def a_socket(path):
    here = os.open('.', os.O_RDONLY)
    os.chdir(os.path.dirname(path))
    try:
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(b'.sock')
        os.rename(b'.sock', os.path.basename(path))
    finally:
        os.fchdir(here)
        os.close(here)


def past(length):
    """A file whose path has so many bytes; made from within, for no system call takes it."""
    def do(path):
        here = os.open('.', os.O_RDONLY)
        os.mkdir(path)
        os.chdir(path)
        left = length - len(path)
        while left > 256:
            name = b'd' * min(255, left - 3)
            os.mkdir(name)
            os.chdir(name)
            left -= len(name) + 1
        with open(b'f' * (left - 1), 'wb'):
            pass
        os.fchdir(here)
        os.close(here)
    return do


def through(path):
    """Out of the tree by way of another link."""
    os.symlink(b'.', path + b'.1')
    os.symlink(os.path.basename(path) + b'.1/' + b'../' * path.count(b'/') + b'../x', path)


KINDS = {
    'fifo': ('is a fifo', os.mkfifo),
    'socket': ('is a socket', a_socket),
    'device': ('is a device', lambda path: os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))),
    'absolute': ('is an absolute link to', lambda path: os.symlink(b'/etc/passwd', path)),
    'out': ('is a link that leaves the directory, to', lambda path: os.symlink(b'../' * path.count(b'/') + b'..', path)),
    'through': ('is a link that leaves the directory, to', through),
    'long': ('is too long a path', past(4091)),
    'longer': ('is too long a path', past(6000)),
    # ... and what can be, just so:
    'fits': ('', past(4090)),
    'deep': ('', past(4050)),
}


def spoil(seed, kind, where):
    rng = random.Random(int(seed))
    os.chdir(os.fsencode(where))
    tree = Tree(rng, b'top', 1000)
    for _ in range(10):
        tree.directory()
        tree.file()
    path = None
    while not path:
        path = tree.place(None, name_of(rng)[:200] + b'\n' + kind.encode())
    why, do = KINDS[kind]
    do(path)
    if 'long' in kind:
        path += b'/' + b'd' * 255
    print("'%s' %s" % (shown_head(path), why))


# --- the same? ---

def entries(where):
    """PATH: what is to survive, of everything below a directory."""
    here, found, todo = os.open('.', os.O_RDONLY), {}, [b'.']
    os.chdir(os.fsencode(where))
    while todo:
        for d in os.scandir(todo.pop()):
            st, path = os.lstat(d.path), d.path
            if stat.S_ISDIR(st.st_mode):
                todo.append(path)
                found[path] = ('directory',)
            elif stat.S_ISLNK(st.st_mode):
                found[path] = ('link', os.readlink(path))
            elif stat.S_ISREG(st.st_mode):
                with open(path, 'rb') as f:
                    digest = hashlib.sha256(f.read()).hexdigest()
                found[path] = ('file', 'program' if st.st_mode & stat.S_IXUSR else 'no program', st.st_size, min(max(0, st.st_mtime_ns // 10**9), 8**11 - 1), digest)
            else:
                found[path] = ('mode %o' % st.st_mode,)
    os.fchdir(here)
    os.close(here)
    return found


def compare(want, got):
    want, got = entries(want), entries(got)
    wrong = [path for path in sorted(want.keys() | got.keys()) if want.get(path) != got.get(path)]
    for path in wrong[:20]:
        print(len(path), path[:300], 'want', want.get(path), 'got', got.get(path))
    if len(wrong) > 20:
        print('and %d more' % (len(wrong) - 20))
    print('%d entries compared, %d differ' % (len(want), len(wrong)))
    return 1 if wrong or not want else 0


if __name__ == '__main__':
    command, words = sys.argv[1], sys.argv[2:]
    if command == 'kinds':
        print(*[kind for kind, (why, _) in KINDS.items() if why])
    else:
        sys.exit({'make': make, 'spoil': spoil, 'compare': compare}[command](*words))
