/* A camera for programs that run without one: preloaded (LD_PRELOAD), it makes one path, such as
 * /dev/video42, behave as a USB camera does under Linux (V4L2 with the driver uvcvideo). All other
 * paths and descriptors go to libc.
 *
 * Frames come at the camera's rate, whether or not they are read: each goes into the buffer that has
 * been queued longest, a reader that is late gets the oldest frame, and a frame without a free
 * buffer is lost and counted in v4l2_buffer.sequence. Nothing runs in the background: which frames
 * have come since the last call follows from the time alone, and the descriptor is a timer that
 * expires when there is a frame to read, so that select, poll and epoll need no help.
 *
 * FAKE_CAMERA_DEVICE   the path
 * FAKE_CAMERA_FRAMES   a folder with a file for each format and size that the camera has, such as
 *                      MJPG-1920x1080 and YUYV-640x480: for each frame its length (32 bits, in the
 *                      order of bytes of the machine) and its bytes; repeated for ever
 * FAKE_CAMERA_RATE     its highest rate, in frames/s
 * FAKE_CAMERA_UNPLUG   it is unplugged while this file is there
 * FAKE_CAMERA_LOG      written: a line for each frame that was read, with its number (from 0 when
 *                      the stream begins; those missing are lost), and when it came and was read,
 *                      in ns of CLOCK_MONOTONIC
 */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define CAMERAS 8  /* how often it can be open at a time in a process */
#define BUFFERS 32 /* as many as V4L2 allows */
#define MODES 32
#define SECOND 1000000000LL

struct mode {
    uint32_t format, width, height;
    char path[512];
    const unsigned char *frames; /* mapped when it is chosen */
    size_t size;
    size_t *offsets; /* where the length of each frame stands */
    uint32_t count, longest;
};

struct queue {
    uint32_t index[BUFFERS];
    unsigned begin, count;
};

struct camera {
    int fd;     /* the timer; -1: this entry is free */
    int memory; /* of the buffers */
    unsigned char *buffers;
    size_t stride;
    struct v4l2_buffer about[BUFFERS];
    unsigned count;
    struct queue waiting, filled;
    struct mode modes[MODES];
    unsigned mode_count, mode;
    uint32_t rate, highest_rate;
    bool streaming, unplugged;
    int64_t began_ns;
    uint32_t sequence; /* of the next frame */
    int log;
};

static struct camera cameras[CAMERAS] = {[0 ... CAMERAS - 1] = {.fd = -1}};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define NEXT(name) \
    static __typeof__(name) *next; \
    if (!next) \
        next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static int close_really(int fd) {
    NEXT(close);
    return next(fd);
}

static void *map_really(void *at, size_t length, int access, int flags, int fd, off_t offset) {
    NEXT(mmap);
    return next(at, length, access, flags, fd, offset);
}

static int open_really(const char *path, int flags) {
    NEXT(open);
    return next(path, flags, 0644);
}

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * SECOND + time.tv_nsec;
}

static struct camera *find(int fd) {
    for (int i = 0; fd >= 0 && i < CAMERAS; i++)
        if (__atomic_load_n(&cameras[i].fd, __ATOMIC_ACQUIRE) == fd)
            return &cameras[i];
    return NULL;
}

static void push(struct queue *queue, uint32_t index) {
    queue->index[(queue->begin + queue->count++) % BUFFERS] = index;
}

static uint32_t pop(struct queue *queue) {
    uint32_t index = queue->index[queue->begin];
    queue->begin = (queue->begin + 1) % BUFFERS;
    queue->count--;
    return index;
}

/* When a frame comes. */
static int64_t due(const struct camera *camera, uint32_t sequence) {
    return camera->began_ns + (sequence + 1LL) * SECOND / camera->rate;
}

static void fill(struct camera *camera, uint32_t index, int64_t time_ns) {
    struct v4l2_buffer *about = &camera->about[index];
    const struct mode *mode = &camera->modes[camera->mode];
    const unsigned char *frame = mode->frames + mode->offsets[camera->sequence % mode->count];
    memcpy(&about->bytesused, frame, sizeof about->bytesused);
    memcpy(camera->buffers + index * camera->stride, frame + 4, about->bytesused);
    about->sequence = camera->sequence;
    about->timestamp.tv_sec = time_ns / SECOND;
    about->timestamp.tv_usec = time_ns % SECOND / 1000;
    about->flags = V4L2_BUF_FLAG_MAPPED | V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC | V4L2_BUF_FLAG_DONE;
}

/* Let the frames come that have been due since the last call. */
static void advance(struct camera *camera) {
    const char *unplug = getenv("FAKE_CAMERA_UNPLUG");
    if (unplug && access(unplug, F_OK) == 0)
        camera->unplugged = true; /* this descriptor stays dead, even when it is plugged in again */
    int64_t time_ns;
    for (; camera->streaming && (time_ns = due(camera, camera->sequence)) <= now();
         camera->sequence++)
        if (camera->waiting.count) {
            uint32_t index = pop(&camera->waiting);
            fill(camera, index, time_ns);
            push(&camera->filled, index);
        }
}

/* Make the descriptor ready to read when a frame is there, or nothing can be waited for. */
static void set_timer(struct camera *camera) {
    int64_t at = 1;
    if (camera->streaming && !camera->unplugged && !camera->filled.count)
        at = due(camera, camera->sequence);
    struct itimerspec time = {.it_value = {at / SECOND, at % SECOND}};
    timerfd_settime(camera->fd, TFD_TIMER_ABSTIME, &time, NULL);
}

static void find_modes(struct camera *camera) {
    const char *folder = getenv("FAKE_CAMERA_FRAMES");
    struct dirent **files;
    int count = folder ? scandir(folder, &files, NULL, alphasort) : 0;
    for (int i = 0; i < count; i++) {
        struct mode *mode = &camera->modes[camera->mode_count];
        const char *name = files[i]->d_name;
        char code[5], rest;
        if (camera->mode_count < MODES
            && sscanf(name, "%4[A-Z]-%ux%u%c", code, &mode->width, &mode->height, &rest) == 3) {
            snprintf(mode->path, sizeof mode->path, "%s/%s", folder, name);
            memcpy(&mode->format, code, 4);
            camera->mode_count++;
        }
        free(files[i]);
    }
    if (count > 0)
        free(files);
}

static bool load(struct mode *mode) {
    struct stat about;
    int file = mode->frames ? -1 : open_really(mode->path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &about))
        return mode->frames != NULL;
    mode->size = about.st_size;
    void *frames = map_really(NULL, mode->size, PROT_READ, MAP_SHARED | MAP_POPULATE, file, 0);
    close_really(file);
    if (frames == MAP_FAILED)
        return false;
    mode->frames = frames;
    mode->offsets = malloc((mode->size / 4 + 1) * sizeof *mode->offsets);
    for (size_t at = 0; at + 4 <= mode->size;) {
        uint32_t length;
        memcpy(&length, mode->frames + at, 4);
        mode->offsets[mode->count++] = at;
        mode->longest = length > mode->longest ? length : mode->longest;
        at += 4 + (size_t)length;
    }
    mode->offsets = realloc(mode->offsets, (mode->count + 1) * sizeof *mode->offsets);
    return mode->count > 0;
}

static int fail(int error) {
    errno = error;
    return -1;
}

static bool is_camera(const char *path) {
    const char *device = getenv("FAKE_CAMERA_DEVICE");
    return device && path && strcmp(path, device) == 0;
}

static int open_camera(int flags) {
    const char *unplug = getenv("FAKE_CAMERA_UNPLUG"), *rate = getenv("FAKE_CAMERA_RATE");
    const char *log = getenv("FAKE_CAMERA_LOG");
    if (unplug && access(unplug, F_OK) == 0)
        return fail(ENOENT);
    pthread_mutex_lock(&lock);
    struct camera *camera = cameras;
    while (camera < cameras + CAMERAS && camera->fd != -1)
        camera++;
    int fd = -1;
    if (camera == cameras + CAMERAS)
        errno = ENFILE;
    else {
        memset(&camera->memory, 0, sizeof *camera - offsetof(struct camera, memory));
        camera->memory = camera->log = -1;
        find_modes(camera);
        camera->rate = camera->highest_rate = rate && atoi(rate) > 0 ? atoi(rate) : 30;
        if (!camera->mode_count || !load(camera->modes))
            errno = ENODEV;
        else if ((fd = timerfd_create(CLOCK_MONOTONIC, flags & (O_NONBLOCK | O_CLOEXEC))) >= 0) {
            if (log)
                camera->log = open_really(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC);
            __atomic_store_n(&camera->fd, fd, __ATOMIC_RELEASE);
        }
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

static void free_buffers(struct camera *camera) {
    if (camera->memory >= 0) {
        munmap(camera->buffers, camera->count * camera->stride);
        close_really(camera->memory); /* what the program has mapped of it stays */
    }
    camera->memory = -1;
    camera->count = 0;
    camera->streaming = false;
    camera->waiting.count = camera->filled.count = 0;
}

static int close_camera(struct camera *camera) {
    pthread_mutex_lock(&lock);
    int fd = camera->fd;
    free_buffers(camera);
    for (unsigned i = 0; i < camera->mode_count; i++)
        if (camera->modes[i].frames) {
            munmap((void *)camera->modes[i].frames, camera->modes[i].size);
            free(camera->modes[i].offsets);
        }
    if (camera->log >= 0)
        close_really(camera->log);
    __atomic_store_n(&camera->fd, -1, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&lock);
    return close_really(fd);
}

static int query_capability(struct v4l2_capability *about) {
    memset(about, 0, sizeof *about);
    strcpy((char *)about->driver, "uvcvideo");
    strcpy((char *)about->card, "Fake camera");
    strcpy((char *)about->bus_info, "usb-fake-1");
    about->version = 6 << 16;
    about->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
    about->capabilities = about->device_caps | V4L2_CAP_DEVICE_CAPS;
    return 0;
}

static int describe_input(struct v4l2_input *about) {
    if (about->index)
        return fail(EINVAL);
    memset(about, 0, sizeof *about);
    strcpy((char *)about->name, "Camera 1");
    about->type = V4L2_INPUT_TYPE_CAMERA;
    return 0;
}

/* Whether a mode is the first one of its format. */
static bool is_first(const struct camera *camera, unsigned mode) {
    for (unsigned i = 0; i < mode; i++)
        if (camera->modes[i].format == camera->modes[mode].format)
            return false;
    return true;
}

static int list_formats(const struct camera *camera, struct v4l2_fmtdesc *about) {
    for (unsigned i = 0, number = 0; i < camera->mode_count; i++) {
        uint32_t format = camera->modes[i].format;
        if (!is_first(camera, i) || number++ != about->index)
            continue;
        about->pixelformat = format;
        about->flags = format == V4L2_PIX_FMT_MJPEG ? V4L2_FMT_FLAG_COMPRESSED : 0;
        snprintf((char *)about->description, sizeof about->description, "%.4s", (char *)&format);
        return 0;
    }
    return fail(EINVAL);
}

static int list_sizes(const struct camera *camera, struct v4l2_frmsizeenum *about) {
    for (unsigned i = 0, number = 0; i < camera->mode_count; i++)
        if (camera->modes[i].format == about->pixel_format && number++ == about->index) {
            about->type = V4L2_FRMSIZE_TYPE_DISCRETE;
            about->discrete.width = camera->modes[i].width;
            about->discrete.height = camera->modes[i].height;
            return 0;
        }
    return fail(EINVAL);
}

/* The mode nearest to what is asked for: another format if it has to be, then the size with the
 * least area outside the other, as uvcvideo chooses it. */
static unsigned nearest(const struct camera *camera, const struct v4l2_pix_format *wanted) {
    uint32_t format = camera->modes[0].format;
    for (unsigned i = 0; i < camera->mode_count; i++)
        if (camera->modes[i].format == wanted->pixelformat)
            format = wanted->pixelformat;
    unsigned best = 0;
    int64_t least = INT64_MAX;
    for (unsigned i = 0; i < camera->mode_count; i++) {
        int64_t width = camera->modes[i].width, height = camera->modes[i].height;
        int64_t both = (width < wanted->width ? width : wanted->width)
                       * (height < wanted->height ? height : wanted->height);
        int64_t outside = width * height + (int64_t)wanted->width * wanted->height - 2 * both;
        if (camera->modes[i].format == format && outside < least) {
            least = outside;
            best = i;
        }
    }
    return best;
}

static uint32_t largest_frame(const struct mode *mode) {
    uint32_t packed = mode->width * mode->height * 2; /* YUYV; JPEG is smaller */
    return mode->longest > packed ? mode->longest : packed;
}

static void describe(const struct mode *mode, struct v4l2_pix_format *format) {
    bool is_packed = mode->format == V4L2_PIX_FMT_YUYV;
    memset(format, 0, sizeof *format);
    format->width = mode->width;
    format->height = mode->height;
    format->pixelformat = mode->format;
    format->field = V4L2_FIELD_NONE;
    format->bytesperline = is_packed ? mode->width * 2 : 0;
    format->sizeimage = largest_frame(mode);
    format->colorspace = V4L2_COLORSPACE_SRGB;
}

static int choose_mode(struct camera *camera, struct v4l2_pix_format *format, bool is_set) {
    unsigned mode = nearest(camera, format);
    if (!load(&camera->modes[mode]))
        return fail(EIO);
    if (is_set && camera->count)
        return fail(EBUSY); /* buffers of the former size are still there */
    if (is_set)
        camera->mode = mode;
    describe(&camera->modes[mode], format);
    return 0;
}

static int choose_rate(struct camera *camera, struct v4l2_streamparm *parameters, bool is_set) {
    struct v4l2_captureparm *about = &parameters->parm.capture;
    struct v4l2_fract *wanted = &about->timeperframe;
    if (is_set && camera->streaming)
        return fail(EBUSY);
    if (is_set && wanted->numerator && wanted->denominator) {
        uint32_t asked = (wanted->denominator + wanted->numerator / 2) / wanted->numerator;
        camera->rate = asked < 1 ? 1 : asked > camera->highest_rate ? camera->highest_rate : asked;
    }
    memset(about, 0, sizeof *about);
    about->capability = V4L2_CAP_TIMEPERFRAME;
    about->timeperframe = (struct v4l2_fract){1, camera->rate};
    return 0;
}

static int request_buffers(struct camera *camera, struct v4l2_requestbuffers *about) {
    if (about->memory != V4L2_MEMORY_MMAP)
        return fail(EINVAL);
    if (camera->streaming && about->count)
        return fail(EBUSY);
    free_buffers(camera);
    about->capabilities = V4L2_BUF_CAP_SUPPORTS_MMAP;
    about->count = about->count > BUFFERS ? BUFFERS : about->count;
    if (!about->count)
        return 0;
    size_t page = sysconf(_SC_PAGESIZE);
    uint32_t length = largest_frame(&camera->modes[camera->mode]);
    camera->stride = (length + page - 1) / page * page;
    size_t size = about->count * camera->stride;
    int memory = memfd_create("fake-camera", MFD_CLOEXEC);
    if (memory < 0 || ftruncate(memory, size))
        return -1;
    void *buffers = map_really(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    if (buffers == MAP_FAILED) {
        close_really(memory);
        return -1;
    }
    camera->memory = memory;
    camera->buffers = buffers;
    camera->count = about->count;
    for (uint32_t i = 0; i < camera->count; i++)
        camera->about[i] = (struct v4l2_buffer){
            .index = i, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP,
            .field = V4L2_FIELD_NONE, .length = length, .m.offset = i * camera->stride,
            .flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC,
        };
    return 0;
}

static int queue_buffer(struct camera *camera, struct v4l2_buffer *buffer) {
    struct v4l2_buffer *about = &camera->about[buffer->index];
    if (buffer->index >= camera->count
        || about->flags & (V4L2_BUF_FLAG_QUEUED | V4L2_BUF_FLAG_DONE))
        return fail(EINVAL);
    about->flags = V4L2_BUF_FLAG_MAPPED | V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC | V4L2_BUF_FLAG_QUEUED;
    push(&camera->waiting, buffer->index);
    *buffer = *about;
    return 0;
}

static int dequeue_buffer(struct camera *camera, struct v4l2_buffer *buffer) {
    if (!camera->streaming)
        return fail(EINVAL);
    if (!camera->filled.count)
        return fail(EAGAIN);
    struct v4l2_buffer *about = &camera->about[pop(&camera->filled)];
    about->flags &= ~V4L2_BUF_FLAG_DONE;
    *buffer = *about;
    if (camera->log >= 0) {
        char line[80];
        int length = snprintf(line, sizeof line, "%u %lld %lld\n", about->sequence,
                              (long long)due(camera, about->sequence), (long long)now());
        if (write(camera->log, line, length) < 0)
            return fail(EIO);
    }
    return 0;
}

static int stream(struct camera *camera, bool is_on) {
    if (is_on && !camera->count)
        return fail(EINVAL);
    if (is_on && !camera->streaming) {
        camera->began_ns = now();
        camera->sequence = 0;
    }
    camera->streaming = is_on;
    if (!is_on) {
        camera->waiting.count = camera->filled.count = 0;
        for (unsigned i = 0; i < camera->count; i++)
            camera->about[i].flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    }
    return 0;
}

static int answer(struct camera *camera, unsigned request, void *argument) {
    struct v4l2_format *format = argument;
    struct v4l2_buffer *buffer = argument;
    uint32_t type = V4L2_BUF_TYPE_VIDEO_CAPTURE; /* the only one */
    switch (request) {
    case VIDIOC_QUERYCAP: return query_capability(argument);
    case VIDIOC_ENUMINPUT: return describe_input(argument);
    case VIDIOC_G_INPUT: return *(int *)argument = 0; /* the only one */
    case VIDIOC_S_INPUT: return *(int *)argument ? fail(EINVAL) : 0;
    case VIDIOC_ENUM_FRAMESIZES: return list_sizes(camera, argument);
    case VIDIOC_QUERYCTRL:
    case VIDIOC_G_CTRL:
    case VIDIOC_S_CTRL: return fail(EINVAL); /* it has none */
    case VIDIOC_ENUM_FMT: type = ((struct v4l2_fmtdesc *)argument)->type; break;
    case VIDIOC_G_PARM:
    case VIDIOC_S_PARM: type = ((struct v4l2_streamparm *)argument)->type; break;
    case VIDIOC_REQBUFS: type = ((struct v4l2_requestbuffers *)argument)->type; break;
    case VIDIOC_G_FMT:
    case VIDIOC_S_FMT:
    case VIDIOC_TRY_FMT: type = format->type; break;
    case VIDIOC_QUERYBUF:
    case VIDIOC_QBUF:
    case VIDIOC_DQBUF: type = buffer->type; break;
    case VIDIOC_STREAMON:
    case VIDIOC_STREAMOFF: type = *(int *)argument; break;
    }
    if (type != V4L2_BUF_TYPE_VIDEO_CAPTURE)
        return fail(EINVAL);
    switch (request) {
    case VIDIOC_ENUM_FMT: return list_formats(camera, argument);
    case VIDIOC_G_FMT: describe(&camera->modes[camera->mode], &format->fmt.pix); return 0;
    case VIDIOC_S_FMT: return choose_mode(camera, &format->fmt.pix, true);
    case VIDIOC_TRY_FMT: return choose_mode(camera, &format->fmt.pix, false);
    case VIDIOC_G_PARM: return choose_rate(camera, argument, false);
    case VIDIOC_S_PARM: return choose_rate(camera, argument, true);
    case VIDIOC_REQBUFS: return request_buffers(camera, argument);
    case VIDIOC_QUERYBUF:
        if (buffer->index >= camera->count)
            return fail(EINVAL);
        *buffer = camera->about[buffer->index];
        return 0;
    case VIDIOC_QBUF: return queue_buffer(camera, buffer);
    case VIDIOC_DQBUF: return dequeue_buffer(camera, buffer);
    case VIDIOC_STREAMON: return stream(camera, true);
    case VIDIOC_STREAMOFF: return stream(camera, false);
    }
    return fail(ENOTTY);
}

static int control_camera(struct camera *camera, unsigned request, void *argument) {
    for (;;) {
        pthread_mutex_lock(&lock);
        advance(camera);
        int result = camera->unplugged ? fail(ENODEV) : answer(camera, request, argument);
        int error = errno;
        set_timer(camera);
        pthread_mutex_unlock(&lock);
        errno = error;
        bool waits = request == VIDIOC_DQBUF && result && error == EAGAIN;
        if (!waits || fcntl(camera->fd, F_GETFL) & O_NONBLOCK)
            return result;
        poll(&(struct pollfd){.fd = camera->fd, .events = POLLIN}, 1, -1);
    }
}

/* What programs call instead of libc. */

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        NEXT(name); \
        return is_camera(path) ? open_camera(flags) : next(path, flags, mode); \
    }
#define OPENAT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        NEXT(name); \
        return is_camera(path) ? open_camera(flags) : next(folder, path, flags, mode); \
    }
/* The names under which _FORTIFY_SOURCE calls them. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int folder, const char *path, int flags);
int __openat64_2(int folder, const char *path, int flags);

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

int __open_2(const char *path, int flags) { return open(path, flags); }
int __open64_2(const char *path, int flags) { return open64(path, flags); }
int __openat_2(int folder, const char *path, int flags) { return openat(folder, path, flags); }
int __openat64_2(int folder, const char *path, int flags) { return openat64(folder, path, flags); }

int close(int fd) {
    struct camera *camera = find(fd);
    return camera ? close_camera(camera) : close_really(fd);
}

int ioctl(int fd, unsigned long request, ...) {
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    NEXT(ioctl);
    struct camera *camera = find(fd);
    return camera ? control_camera(camera, request, argument) : next(fd, request, argument);
}

ssize_t read(int fd, void *to, size_t count) {
    NEXT(read);
    return find(fd) ? fail(EINVAL) : next(fd, to, count); /* it only streams */
}

static void *map(void *at, size_t length, int access, int flags, int fd, off_t offset) {
    struct camera *camera = find(fd);
    return map_really(at, length, access, flags, camera ? camera->memory : fd, offset);
}

void *mmap(void *at, size_t length, int access, int flags, int fd, off_t offset) {
    return map(at, length, access, flags, fd, offset);
}

void *mmap64(void *at, size_t length, int access, int flags, int fd, off64_t offset) {
    return map(at, length, access, flags, fd, offset);
}
