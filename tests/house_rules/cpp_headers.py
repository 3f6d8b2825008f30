"""The headers of the language and of the operating system: any room may include them."""

STANDARD = """
algorithm any array atomic barrier bit bitset cassert cctype cerrno cfenv cfloat charconv chrono cinttypes
climits clocale cmath codecvt compare complex concepts condition_variable csetjmp csignal cstdarg cstddef
cstdint cstdio cstdlib cstring ctime cuchar cwchar cwctype deque exception execution filesystem
forward_list fstream functional future initializer_list iomanip ios iosfwd iostream istream iterator latch
limits list locale map memory memory_resource mutex new numbers numeric optional ostream queue random
ranges ratio regex scoped_allocator semaphore set shared_mutex source_location span sstream stack
stdexcept stop_token streambuf string string_view strstream syncstream system_error thread tuple
type_traits typeindex typeinfo unordered_map unordered_set utility valarray variant vector version
cxxabi.h
"""

OPERATING_SYSTEM = """
arpa/inet.h dirent.h dlfcn.h errno.h execinfo.h fcntl.h fnmatch.h glob.h ifaddrs.h langinfo.h limits.h
malloc.h netdb.h poll.h pthread.h pwd.h grp.h sched.h signal.h spawn.h stdio.h stdlib.h string.h strings.h
syslog.h termios.h time.h ucontext.h unistd.h immintrin.h cpuid.h x86intrin.h
"""

OPERATING_SYSTEM_FOLDERS = ("sys/", "netinet/", "linux/", "net/")

LISTED = {*STANDARD.split(), *OPERATING_SYSTEM.split()}


def is_system_header(name):
    return name in LISTED or name.startswith(OPERATING_SYSTEM_FOLDERS)
